"""Describes a finished dataset: a card with a picture for people, and Croissant metadata for programs."""
