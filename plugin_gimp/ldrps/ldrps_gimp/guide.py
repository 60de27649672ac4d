"""The Guide button."""

from __future__ import annotations

import contextlib
import webbrowser
from pathlib import Path

PATH = Path(__file__).resolve().parents[1] / "help" / "guide.html"


def open_guide() -> None:
    """Open the guide that came with the plug-in in the user's browser."""
    with contextlib.suppress(webbrowser.Error):
        webbrowser.open(PATH.as_uri())
