"""`ldrps darktable install` and `ldrps darktable doctor`."""

from __future__ import annotations

import argparse
import os
from argparse import Namespace
from pathlib import Path

from ldrps_client._text import cause_and_remedy
from ldrps_client.cli._darktable_folders import (
    COMMAND_FILE,
    LINE,
    NAME,
    SCRIPT,
    START_FILE,
    fault_of_program,
    find_program,
    loads_script,
    missing_darktable,
    settings_folders,
    source_script,
)
from ldrps_client.cli._gimp_doctor import Finding, check_daemon, daemon_warnings, report
from ldrps_client.cli._gimp_folders import add_actions, own_command
from ldrps_client.cli._output import print_json, warn
from ldrps_engine.errors import NotFoundError, OutputError
from ldrps_engine.model_store.atomic import write_atomically

_ACTIONS = {
    "install": "add restoring to the darktable of this user",
    "doctor": "say why it does not work, and what to do",
}
_AGAIN = "run 'ldrps darktable install'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `ldrps darktable`."""
    add_actions(parser, _ACTIONS, "a settings folder of darktable, instead of those found")


def darktable(options: Namespace) -> int:
    """Run one action."""
    folders = [Path(options.folder)] if options.folder else settings_folders()
    if options.action == "install":
        return _install(folders, as_json=options.json)
    return _doctor(folders, options)


def _install(folders: list[Path], *, as_json: bool) -> int:
    if not folders:
        words = f"{missing_darktable()}, or name its settings folder with --folder"
        raise NotFoundError(words)
    if fault := fault_of_program(find_program()):
        raise NotFoundError(fault)
    source = source_script()
    for folder in folders:
        install_into(folder, source)
    warn(daemon_warnings())
    if as_json:
        print_json({"installed": [str(folder / "lua" / NAME / SCRIPT) for folder in folders]})
        return 0
    for folder in folders:
        print(f"installed {folder / 'lua' / NAME / SCRIPT}")
    print("Restart darktable; the lighttable has a module 'restore (LD-RPS)' on the right.")
    return 0


def install_into(settings: Path, source: Path) -> None:
    """Copy the script and have darktable load it; OutputError says why that is impossible."""
    target = settings / "lua" / NAME
    try:
        target.mkdir(parents=True, exist_ok=True)
        _write(target / SCRIPT, source.read_bytes())
        _write(target / COMMAND_FILE, os.fsencode(f"{own_command()}\n"))
        if not loads_script(settings):
            # Last: darktable must not load a missing file.
            _append(settings / START_FILE, f"{LINE} -- added by 'ldrps darktable install'\n")
    except OSError as error:
        where = error.filename or target
        raise OutputError(f"{where} cannot be written: {cause_and_remedy(error)}") from None


def _append(path: Path, line: str) -> None:
    before = path.read_bytes() if path.exists() else b""
    gap = b"\n" if before and not before.endswith(b"\n") else b""
    # A start file may be a link into a folder of settings that are kept elsewhere.
    _write(path.resolve(), before + gap + line.encode())


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; an existing one keeps its mode."""
    mode = path.stat().st_mode & 0o777 if path.exists() else None
    write_atomically(path, data)
    if mode is not None:
        path.chmod(mode)


def _doctor(folders: list[Path], options: Namespace) -> int:
    findings = [*check_program(), *check_folders(folders), *check_daemon(options.address)]
    return report(findings, as_json=options.json)


def check_program() -> list[Finding]:
    """Report version and Lua of the darktable on the path; nothing where there is none."""
    program = find_program()
    if program is None:
        return []
    fault = fault_of_program(program)
    return [Finding("darktable", fault is None, fault or f"version {program.name}, with Lua")]


def check_folders(folders: list[Path]) -> list[Finding]:
    """Report the installed script of each darktable."""
    if not folders:
        return [Finding("darktable", False, f"{missing_darktable()}, then {_AGAIN}")]
    found = [(folder, _fault_of(folder)) for folder in folders]
    return [Finding(str(folder), fault is None, fault or "installed") for folder, fault in found]


def installed_faults() -> list[str]:
    """Return the faults of installed scripts; none if the script was never installed."""
    folders = [folder for folder in settings_folders() if (folder / "lua" / NAME).exists()]
    if not folders:
        return []
    checked = [*check_program(), *check_folders(folders)]
    return [finding.words for finding in checked if not finding.fine]


def _fault_of(settings: Path) -> str | None:
    """Return the fault of an installed script, and the remedy."""
    folder = settings / "lua" / NAME
    try:
        script = (folder / SCRIPT).read_bytes()
    except OSError:
        return f"the script is not there; {_AGAIN}"
    if script != source_script().read_bytes():
        return f"another version of the script is installed; {_AGAIN} again"
    if not loads_script(settings):
        return f"{START_FILE} does not load the script; {_AGAIN} again"
    try:
        command = os.fsdecode((folder / COMMAND_FILE).read_bytes()).strip()
    except OSError:
        command = ""
    if command and not os.access(command, os.X_OK):
        return f"it cannot run {command}, which is no longer there; {_AGAIN} again"
    return None
