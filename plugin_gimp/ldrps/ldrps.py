#!/usr/bin/env python3
"""Filters > Restore (LD-RPS) for GIMP 3. Everything else is in the folder `ldrps_gimp`."""

import sys

import gi

for _name, _version in (("Gimp", "3.0"), ("GimpUi", "3.0"), ("Gegl", "0.4"), ("Babl", "0.1")):
    gi.require_version(_name, _version)

from gi.repository import Gimp  # noqa: E402

from ldrps_gimp.plug_in import Ldrps  # noqa: E402

Gimp.main(Ldrps.__gtype__, sys.argv)
