"""Folders of this user for what outlives a process."""

from __future__ import annotations

from pathlib import Path

from ldrps_wire.address import state_folder


def state_folder_of(part: str) -> Path:
    """Return a part's state folder: under `$XDG_STATE_HOME`, else where the system keeps such."""
    return state_folder() / part
