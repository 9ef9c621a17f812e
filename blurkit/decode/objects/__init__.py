"""Outlines of objects, in the formats of COCO and of Mapillary Vistas, become masks."""
