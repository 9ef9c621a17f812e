"""Blur in layers: objects that move independently of the camera, and defocus that depends on depth."""
