"""The names of ``blurkit.blurring.tiles.BORDERS`` in other libraries."""

SCIPY = {"reflect101": "mirror", "reflect": "reflect", "replicate": "nearest", "wrap": "wrap", "zero": "constant"}
NUMPY = {"reflect101": "reflect", "reflect": "symmetric", "replicate": "edge", "wrap": "wrap", "zero": "constant"}
