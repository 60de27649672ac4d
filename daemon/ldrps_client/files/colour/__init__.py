"""Colours as files state them, to and from those that are worked in."""
