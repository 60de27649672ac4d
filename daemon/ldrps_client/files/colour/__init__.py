"""Colours as files state them, converted to and from those that are worked in."""
