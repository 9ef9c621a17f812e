"""Fetches archives: downloads that resume, and safe unpacking of zip files."""
