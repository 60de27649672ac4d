"""Colour: the sRGB curves, ICC profiles, and the space in which the engine works. Never torch."""
