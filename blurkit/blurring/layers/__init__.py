"""Blur in layers: objects that move on their own over a moving camera, and defocus that follows depth."""
