"""What other libraries call the borders of ``blurkit.blurring.tiles.BORDERS``."""

SCIPY = {"reflect101": "mirror", "reflect": "reflect", "replicate": "nearest", "wrap": "wrap", "zero": "constant"}
NUMPY = {"reflect101": "reflect", "reflect": "symmetric", "replicate": "edge", "wrap": "wrap", "zero": "constant"}
