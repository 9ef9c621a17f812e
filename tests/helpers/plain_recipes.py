"""Settings that leave only the blur in a recipe."""

#: No light beyond full scale, no noise, and no compression.
PLAIN = ("saturation=none", "noise=none", "jpeg=none")
