"""`ldrps gimp doctor`: reasons why the plug-in does not work, and remedies."""

from __future__ import annotations

import os
import stat
import sys
from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path

from ldrps_client._listening import is_listening
from ldrps_client.cli._gimp_folders import (
    COMMAND_FILE,
    FLATPAK,
    NAME,
    OVERRIDE,
    SCRIPT,
    has_flatpak,
    missing_gimp,
    own_command,
    source_folder,
)
from ldrps_client.cli._output import print_json
from ldrps_engine.errors import LdrpsError, NotFoundError, UnavailableError
from ldrps_engine.model_store.catalogue import BUNDLED, catalogue
from ldrps_engine.model_store.store import folder_of, is_installed
from ldrps_wire.address import ADDRESS_VARIABLE, run_folder
from ldrps_wire.installed import require_daemon
from ldrps_wire.system import HAS_OWNERS

_VERSION_FILE = Path("ldrps_gimp", "__init__.py")


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    what: str
    fine: bool
    words: str
    """Result of the check; where it is not fine, also the remedy."""


def doctor(folders: list[Path], options: Namespace) -> int:
    """Print the findings about plug-ins folders, Flatpak, the daemon and its models."""
    findings = [*_check_folders(folders), *_check_flatpak(), *check_daemon(options.address)]
    return report(findings, as_json=options.json)


def report(findings: list[Finding], *, as_json: bool) -> int:
    """Print a doctor's findings; returns the exit code, 0 if all is fine."""
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print(f"{'ok     ' if finding.fine else 'problem'} {finding.what}: {finding.words}")
    return 0 if all(finding.fine for finding in findings) else NotFoundError.exit_code


def _check_folders(folders: list[Path]) -> list[Finding]:
    if not folders:
        return [Finding("GIMP", False, f"{missing_gimp()}, then run this again")]
    return [_check_folder(folder / NAME) for folder in folders]


def _check_folder(folder: Path) -> Finding:
    wrong = _fault_of(folder)
    return Finding(str(folder), wrong is None, wrong or f"version {version_of(folder)}")


def _fault_of(folder: Path) -> str | None:
    """Return the fault of an installed plug-in, and the remedy."""
    again = "run 'ldrps gimp install'"
    script = folder / SCRIPT
    if not folder.is_dir():
        return f"the plug-in is not there; {again}"
    if not script.is_file():
        return f"{SCRIPT} is not directly in this folder, so GIMP does not see it; {again}"
    if sys.platform != "win32" and not script.stat().st_mode & stat.S_IXUSR:
        return f"GIMP may not run it; run: chmod +x '{script}'"
    ours, theirs = version_of(source_folder()), version_of(folder)
    if ours != theirs:
        return f"version {theirs} is installed, this is {ours}; {again}"
    command = _text_of(folder / COMMAND_FILE).strip()
    if command and not os.access(command, os.X_OK):
        return f"it cannot start the daemon, as {command} is no longer there; {again}"
    return None


def version_of(folder: Path) -> str:
    """Return the version stated in a plug-in's folder; `unknown` if there is none."""
    _, _, rest = _text_of(folder / _VERSION_FILE).partition('VERSION = "')
    return rest.partition('"')[0] or "unknown"


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _check_flatpak() -> list[Finding]:
    if not has_flatpak():
        return []
    if "xdg-run/ldrps" in _text_of(Path.home() / ".local/share/flatpak/overrides" / FLATPAK):
        return [Finding("Flatpak", True, "its GIMP is let through to the daemon")]
    return [Finding("Flatpak", False, f"its GIMP cannot reach the daemon; run: {OVERRIDE}")]


def check_daemon(address: str | None) -> list[Finding]:
    """Check whether a daemon answers or can be started, and which models it has."""
    from ldrps_client.client import Client

    try:
        opened = Client(address, autostart=False)
    except LdrpsError as error:
        return [Finding("daemon", False, str(error))]
    with opened as client:
        try:
            status = client.status()
        except LdrpsError as error:
            if address or os.environ.get(ADDRESS_VARIABLE) or is_listening(client.address):
                return [Finding("daemon", False, str(error))]
            return [*_check_socket(), _check_start(client.address), _check_models()]
        words = f"version {status.version} answers on {status.address}"
        found = [Finding("daemon", True, words)]
        try:
            names = [m.name for m in client.models.list() if m.installed and m.kind == "prior"]
        except LdrpsError as error:
            return [*found, Finding("models", False, str(error))]
    return [*found, Finding("models", True, ", ".join(names))]


def _check_models() -> Finding:
    """Check the models that a daemon would find."""
    if not folder_of(BUNDLED).is_dir():
        return Finding("models", False, "the bundled model is missing; install ldrps again")
    known = catalogue().values()
    there = [e.name for e in known if e.kind == "prior" and is_installed(e.name)]
    return Finding("models", True, ", ".join(there))


def _check_socket() -> list[Finding]:
    """Check for obstacles to the daemon's socket."""
    folder = run_folder()
    if not folder.exists() or not HAS_OWNERS:
        return []
    status = folder.stat()
    if status.st_uid != os.geteuid():
        return [Finding("socket", False, f"{folder} is another user's; remove it")]
    if stat.S_IMODE(status.st_mode) & 0o077:
        words = f"others can enter {folder}, so that no daemon starts there; run: chmod 700"
        return [Finding("socket", False, f"{words} '{folder}'")]
    return []


def daemon_warnings() -> list[str]:
    """Return what keeps this installation from starting a daemon, if anything does."""
    try:
        require_daemon()
    except UnavailableError as error:
        return [str(error)]
    return []


def _check_start(address: str) -> Finding:
    """Check whether the plug-in can start a daemon; having none is fine then."""
    command = own_command()
    if not os.access(command, os.X_OK):
        words = f"none answers, and {command} cannot be run to start one; install ldrps again"
        return Finding("daemon", False, words)
    for why in daemon_warnings():
        return Finding("daemon", False, f"none answers, and {why}")
    return Finding("daemon", True, f"none answers on {address}; the plug-in starts one ({command})")
