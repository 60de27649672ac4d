"""`ldrps gimp install`, and the way to `ldrps gimp doctor`."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from argparse import Namespace
from pathlib import Path

from ldrps_client._text import cause_and_remedy
from ldrps_client.cli import _gimp_doctor
from ldrps_client.cli._gimp_doctor import daemon_warnings
from ldrps_client.cli._gimp_folders import (
    COMMAND_FILE,
    NAME,
    OVERRIDE,
    SCRIPT,
    add_actions,
    has_flatpak,
    missing_gimp,
    own_command,
    plug_in_folders,
    source_folder,
)
from ldrps_client.cli._output import print_json, warn
from ldrps_engine.errors import NotFoundError, OutputError
from ldrps_engine.model_store.atomic import folder_into_place

_ACTIONS = {
    "install": "copy the plug-in to every GIMP 3 of this user",
    "doctor": "say why the plug-in does not work, and what to do",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `ldrps gimp`."""
    add_actions(parser, _ACTIONS, "a plug-ins folder, instead of those found")


def gimp(options: Namespace) -> int:
    """Run one action."""
    folders = [Path(options.folder)] if options.folder else plug_in_folders()
    if options.action == "install":
        return _install(folders, as_json=options.json)
    return _gimp_doctor.doctor(folders, options)


def _install(folders: list[Path], *, as_json: bool) -> int:
    if not folders:
        raise NotFoundError(f"{missing_gimp()}, or name its plug-ins folder with --folder")
    source = source_folder()
    for folder in folders:
        install_into(folder, source)
    warn(daemon_warnings())
    if as_json:
        print_json({"installed": [str(folder / NAME) for folder in folders]})
        return 0
    for folder in folders:
        print(f"installed {folder / NAME}")
    print("Restart GIMP; the plug-in is under Filters > Restore (LD-RPS).")
    if has_flatpak():
        print(f"GIMP from Flatpak needs this once: {OVERRIDE}")
    return 0


def install_into(folder: Path, source: Path) -> None:
    """Copy the plug-in, whole or not at all; OutputError says why that is impossible."""
    target = folder / NAME
    if target.exists() and not (target / SCRIPT).exists():
        raise OutputError(f"{target} is there and is not this plug-in; move it away first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Beside the folder, not in it: GIMP looks at everything there.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".ldrps-") as work:
            made = Path(work) / NAME
            shutil.copytree(source, made, ignore=shutil.ignore_patterns("__pycache__", "*.po*"))
            script = made / SCRIPT
            script.chmod(script.stat().st_mode | 0o755)
            (made / COMMAND_FILE).write_text(f"{own_command()}\n", encoding="utf-8")
            if target.exists():
                target.rename(Path(work) / "old")
            folder_into_place(made, target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {cause_and_remedy(error)}") from None
