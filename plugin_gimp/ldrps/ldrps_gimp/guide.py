"""The Guide button."""

from __future__ import annotations

import webbrowser
from pathlib import Path

PATH = Path(__file__).resolve().parents[1] / "help" / "guide.html"


def open_guide() -> bool:
    """Open the guide that came with the plug-in in the user's browser; False if there is none."""
    try:
        return webbrowser.open(PATH.as_uri())
    except webbrowser.Error:
        return False
