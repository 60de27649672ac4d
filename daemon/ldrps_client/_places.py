"""Folders of this user for what outlives a process."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def state_folder_of(part: str) -> Path:
    """Return a part's state folder: under `$XDG_STATE_HOME`, else where the system keeps such."""
    if home := os.environ.get("XDG_STATE_HOME"):
        return Path(home) / "ldrps" / part
    return Path(platformdirs.user_state_dir("ldrps", appauthor=False)) / part
