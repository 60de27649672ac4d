"""The GIMP plug-in's own modules. They import the standard library, `gi`, and each other."""

VERSION = "0.2.0"
