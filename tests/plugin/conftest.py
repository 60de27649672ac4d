"""The plug-in without GIMP: what does not import `gi` can be tested here."""

from support import plugin

plugin.load()
