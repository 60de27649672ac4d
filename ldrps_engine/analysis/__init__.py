"""Measurements of a photo, blind: what stands in its pixels, before anything is restored."""
