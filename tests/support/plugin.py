"""Makes the plug-in's package importable outside GIMP.

Its folder cannot be put on the path: the script `ldrps.py` in it would hide the package `ldrps`.
"""

import importlib.util
import sys
from pathlib import Path


def folder():
    """The plug-in's folder in this checkout, or, of tests without one, in what is installed."""
    here = Path(__file__).parents[2] / "plugin_gimp" / "ldrps"
    if here.is_dir():
        return here
    spec = importlib.util.find_spec("ldrps_plugin_gimp")
    return Path(next(iter(spec.submodule_search_locations))) / "ldrps"


FOLDER = folder()


def load():
    """Import `ldrps_gimp`; its modules can be imported by name from then on."""
    if "ldrps_gimp" in sys.modules:
        return
    package = FOLDER / "ldrps_gimp"
    spec = importlib.util.spec_from_file_location(
        "ldrps_gimp", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["ldrps_gimp"] = module
    spec.loader.exec_module(module)
