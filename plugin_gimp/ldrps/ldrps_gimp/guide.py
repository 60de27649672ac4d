"""Button that opens the guide."""

from __future__ import annotations

from pathlib import Path

from gi.repository import Gio, GLib

PATH = Path(__file__).resolve().parents[1] / "help" / "guide.html"


def open_guide() -> bool:
    """Open the guide that came with the plug-in in the user's browser; False if there is none."""
    try:
        # Not by the module `webbrowser`: it takes any program that it can start for a browser.
        return bool(Gio.AppInfo.launch_default_for_uri(PATH.as_uri(), None))
    except GLib.Error:
        return False
