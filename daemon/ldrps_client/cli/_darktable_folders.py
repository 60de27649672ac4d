"""Folders of this user's darktables, and our files in them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ldrps_engine.errors import NotFoundError

NAME = "ldrps"
SCRIPT = "ldrps.lua"
COMMAND_FILE = "command.txt"
"""File next to the installed script with the `ldrps` command that it runs."""
LINE = 'require "ldrps/ldrps"'
"""Line that loads the script, in the file that darktable runs at its start."""
START_FILE = "luarc"
OLDEST = (4, 2)
FLATPAK = "org.darktable.Darktable"
_SECONDS = 30


@dataclass(frozen=True)
class Program:
    """A darktable and its answers about itself."""

    version: tuple[int, ...]
    has_lua: bool

    @property
    def name(self) -> str:
        """Its version as text."""
        return ".".join(map(str, self.version))


def source_script() -> Path:
    """Return the script that came with this installation."""
    from importlib.util import find_spec

    spec = find_spec("ldrps_integrations.darktable")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / SCRIPT).is_file():
            return Path(place) / SCRIPT
    raise NotFoundError("this installation has no darktable script; install ldrps again")


def settings_folders() -> list[Path]:
    """Return the settings folders of this user's darktables that have been started once.

    One from Flatpak is not among them: its sandbox lets it start no program of ours.
    """
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    places = [config / "darktable", home / ".config" / "darktable"]
    if data := os.environ.get("LOCALAPPDATA"):
        places.append(Path(data) / "darktable")
    return list(dict.fromkeys(place.resolve() for place in places if place.is_dir()))


def missing_darktable() -> str:
    """Explain why there is no settings folder, and what to do."""
    if (Path.home() / ".var" / "app" / FLATPAK).is_dir():
        return (
            "only a darktable from Flatpak was found, and its sandbox lets it start no other "
            "program; install darktable from its site or your system's packages"
        )
    return "no darktable of this user was found; start darktable once"


def find_program() -> Program | None:
    """Find the darktable on the path; None if there is none that answers."""
    program = shutil.which("darktable")
    if program is None:
        return None
    try:
        asked = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"darktable (\d+)\.(\d+)(?:\.(\d+))?", asked.stdout)
    if not found:
        return None
    numbers = tuple(int(number) for number in found.groups() if number)
    # 4.2 says "Lua support enabled", 5.0 "Lua  -> ENABLED".
    lua = re.search(r"^\s*Lua\b.*enabled", asked.stdout, re.MULTILINE | re.IGNORECASE)
    return Program(version=numbers, has_lua=bool(lua))


def fault_of_program(program: Program | None) -> str | None:
    """Return what keeps a darktable from running the script, and what to do."""
    if program is None:
        return None
    if program.version < OLDEST:
        return f"darktable {program.name} is too old for it; install 4.2 or later"
    if not program.has_lua:
        return f"darktable {program.name} was built without Lua; install one that has it"
    return None


def loads_script(settings: Path) -> bool:
    """Tell whether darktable loads the script when it starts."""
    return any(line.strip().startswith(LINE) for line in start_lines(settings))


def start_lines(settings: Path) -> list[str]:
    """Return the lines of the file that darktable runs at its start, if there is one."""
    try:
        # Whatever its bytes are, they are written back as they were.
        text = (settings / START_FILE).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    return text.splitlines()
