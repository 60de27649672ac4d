"""Folders of this user's GIMPs, and our files in them."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ldrps_engine.errors import NotFoundError

NAME = "ldrps"
SCRIPT = "ldrps.py"
COMMAND_FILE = "command.txt"
"""File in an installed plug-in with the `ldrps` command with which it starts the daemon."""
FLATPAK = "org.gimp.GIMP"
OVERRIDE = f"flatpak override --user --filesystem=xdg-run/ldrps {FLATPAK}"
"""Command that lets a GIMP from Flatpak through to the daemon's socket."""


def add_actions(parser: argparse.ArgumentParser, actions: Mapping[str, str], folder: str) -> None:
    """Add an action, with what each is for, and a `--folder` in place of those that are found."""
    words = "; ".join(f"{action}: {what}" for action, what in actions.items())
    parser.add_argument("action", choices=tuple(actions), help=words)
    parser.add_argument("--folder", metavar="PATH", help=folder)


def source_folder() -> Path:
    """Return the plug-in that came with this installation."""
    from importlib.util import find_spec

    try:
        spec = find_spec(f"ldrps_plugin_gimp.{NAME}")
    except ModuleNotFoundError:
        spec = None
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / SCRIPT).is_file():
            return Path(place)
    raise NotFoundError("this installation has no GIMP plug-in; install ldrps from its repository")


def settings_folders() -> list[Path]:
    """Return the folders where this user's GIMPs keep their settings, existing or not."""
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    found = [
        config / "GIMP",
        home / ".var" / "app" / FLATPAK / "config" / "GIMP",
        home / "snap" / "gimp" / "current" / ".config" / "GIMP",
        home / "Library" / "Application Support" / "GIMP",
    ]
    if data := os.environ.get("APPDATA"):
        found.append(Path(data) / "GIMP")
    return found


def plug_in_folders() -> list[Path]:
    """Return the plug-ins folder of every GIMP 3 that was started once, or that can be asked."""
    started = [f for base in settings_folders() for f in sorted(base.glob("3.*")) if f.is_dir()]
    if not started and (version := _version_of_gimp()):
        started = [settings_folders()[0] / version]
    return [folder / "plug-ins" for folder in dict.fromkeys(f.resolve() for f in started)]


def missing_gimp() -> str:
    """Explain why there is no plug-ins folder, and what to do."""
    older = {folder.name for base in settings_folders() for folder in base.glob("2.*")}
    if older:
        names = ", ".join(sorted(older))
        return f"only GIMP {names} was found, and the plug-in is for GIMP 3; install it"
    return "no GIMP 3 of this user was found; start GIMP once"


def _version_of_gimp() -> str | None:
    """Return the version, such as `3.0`, of a GIMP that has never been started."""
    program = shutil.which("gimp-console") or shutil.which("gimp")
    if program is None:
        return None
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    numbers = (asked.stdout.split() or [""])[-1].split(".")
    return ".".join(numbers[:2]) if numbers[0] == "3" and len(numbers) > 1 else None


def own_command() -> Path:
    """Return the `ldrps` command that runs now, for the plug-in to start the daemon with."""
    beside = Path(sys.executable).with_name("ldrps")
    if beside.exists():
        return beside
    return Path(shutil.which("ldrps") or sys.argv[0]).absolute()


def has_flatpak() -> bool:
    """Tell whether a GIMP from Flatpak is installed."""
    places = (Path.home() / ".local/share/flatpak/app", Path("/var/lib/flatpak/app"))
    return any((place / FLATPAK).exists() for place in places)
