"""`ldrps gimp install` and `ldrps gimp doctor`."""

from __future__ import annotations

import argparse
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path

from ldrps_client.cli._output import print_json
from ldrps_engine.errors import LdrpsError, NotFoundError, OutputError

_ACTIONS = {
    "install": "copy the plug-in to every GIMP 3 of this user",
    "doctor": "say why the plug-in does not work, and what to do",
}
NAME = "ldrps"
_SCRIPT = "ldrps.py"
_COMMAND_FILE = "command.txt"
_VERSION_FILE = Path("ldrps_gimp", "__init__.py")
_FLATPAK = "org.gimp.GIMP"
_OVERRIDE = f"flatpak override --user --filesystem=xdg-run/ldrps {_FLATPAK}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions of `ldrps gimp`."""
    words = "; ".join(f"{action}: {what}" for action, what in _ACTIONS.items())
    parser.add_argument("action", choices=tuple(_ACTIONS), help=words)
    parser.add_argument(
        "--folder", metavar="PATH", help="a plug-ins folder, instead of those found"
    )


def gimp(options: Namespace) -> int:
    """Run one action."""
    folders = [Path(options.folder)] if options.folder else plug_in_folders()
    if options.action == "install":
        return _install(folders, as_json=options.json)
    return _doctor(folders, options)


# Where things are.


def source_folder() -> Path:
    """The plug-in as it came with this installation."""
    from importlib.util import find_spec

    spec = find_spec("ldrps_plugin_gimp")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / NAME / _SCRIPT).is_file():
            return Path(place) / NAME
    raise NotFoundError("this installation has no GIMP plug-in; install ldrps from its repository")


def settings_folders() -> list[Path]:
    """Where the GIMPs of this user keep their settings, whether there are any or not."""
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    found = [
        config / "GIMP",
        home / ".var" / "app" / _FLATPAK / "config" / "GIMP",
        home / "snap" / "gimp" / "current" / ".config" / "GIMP",
        home / "Library" / "Application Support" / "GIMP",
    ]
    if data := os.environ.get("APPDATA"):
        found.append(Path(data) / "GIMP")
    return found


def plug_in_folders() -> list[Path]:
    """The plug-ins folder of every GIMP 3 that has been started once, or that can be asked."""
    started = [f for base in settings_folders() for f in sorted(base.glob("3.*")) if f.is_dir()]
    if not started and (version := _version_of_gimp()):
        started = [settings_folders()[0] / version]
    return [folder / "plug-ins" for folder in dict.fromkeys(f.resolve() for f in started)]


def _version_of_gimp() -> str | None:
    """`3.0`, of a GIMP that has never been started."""
    program = shutil.which("gimp-console") or shutil.which("gimp")
    if program is None:
        return None
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    numbers = (asked.stdout.split() or [""])[-1].split(".")
    return ".".join(numbers[:2]) if numbers[0] == "3" and len(numbers) > 1 else None


# Installing.


def _install(folders: list[Path], *, as_json: bool) -> int:
    if not folders:
        raise NotFoundError(
            "no GIMP 3 of this user was found; start GIMP once, "
            "or name its plug-ins folder with --folder"
        )
    source = source_folder()
    for folder in folders:
        install_into(folder, source)
    if as_json:
        print_json({"installed": [str(folder / NAME) for folder in folders]})
        return 0
    for folder in folders:
        print(f"installed {folder / NAME}")
    print("Restart GIMP; the plug-in is under Filters > Restore (LD-RPS).")
    if _has_flatpak():
        print(f"GIMP from Flatpak needs this once: {_OVERRIDE}")
    return 0


def install_into(folder: Path, source: Path) -> None:
    """Copy the plug-in; whole or not at all. OutputError says why it cannot be."""
    target = folder / NAME
    if target.exists() and not (target / _SCRIPT).exists():
        raise OutputError(f"{target} is there and is not this plug-in; move it away first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Beside the folder, not in it: GIMP looks at everything there.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".ldrps-") as work:
            made = Path(work) / NAME
            shutil.copytree(source, made, ignore=shutil.ignore_patterns("__pycache__", "*.po*"))
            script = made / _SCRIPT
            script.chmod(script.stat().st_mode | 0o755)
            (made / _COMMAND_FILE).write_text(f"{_own_command()}\n", encoding="utf-8")
            if target.exists():
                target.rename(Path(work) / "old")
            made.rename(target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written ({error.strerror or error})") from None


def _own_command() -> Path:
    """The `ldrps` command that runs now, for the plug-in to start the daemon with."""
    beside = Path(sys.executable).with_name("ldrps")
    if beside.exists():
        return beside
    return Path(shutil.which("ldrps") or sys.argv[0]).absolute()


# Finding out what is wrong.


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    fine: bool
    words: str
    """What was found; for what is not fine also what to do."""


def _doctor(folders: list[Path], options: Namespace) -> int:
    findings = [*_check_folders(folders), *_check_flatpak(), *_check_daemon(options.address)]
    if options.json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print(f"{'ok     ' if finding.fine else 'problem'} {finding.what}: {finding.words}")
    return 0 if all(finding.fine for finding in findings) else NotFoundError.exit_code


def _check_folders(folders: list[Path]) -> list[Finding]:
    if not folders:
        words = "no GIMP 3 of this user was found; start GIMP once, then run this again"
        return [Finding("GIMP", False, words)]
    return [_check_folder(folder / NAME) for folder in folders]


def _check_folder(folder: Path) -> Finding:
    what = str(folder)
    script = folder / _SCRIPT
    if not folder.is_dir():
        return Finding(what, False, "the plug-in is not there; run 'ldrps gimp install'")
    if not script.is_file():
        words = (
            f"{_SCRIPT} is not directly in this folder, so GIMP does not see it; "
            "run 'ldrps gimp install'"
        )
        return Finding(what, False, words)
    if sys.platform != "win32" and not script.stat().st_mode & stat.S_IXUSR:
        return Finding(what, False, f"GIMP may not run it; run: chmod +x '{script}'")
    ours, theirs = version_of(source_folder()), version_of(folder)
    if ours != theirs:
        words = f"version {theirs} is installed, this is {ours}; run 'ldrps gimp install'"
        return Finding(what, False, words)
    return Finding(what, True, f"version {theirs}")


def version_of(folder: Path) -> str:
    """What a plug-in's folder says of itself; `unknown` if it does not."""
    try:
        text = (folder / _VERSION_FILE).read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    _, _, rest = text.partition('VERSION = "')
    return rest.partition('"')[0] or "unknown"


def _has_flatpak() -> bool:
    places = (Path.home() / ".local/share/flatpak/app", Path("/var/lib/flatpak/app"))
    return any((place / _FLATPAK).exists() for place in places)


def _check_flatpak() -> list[Finding]:
    if not _has_flatpak():
        return []
    overrides = Path.home() / ".local/share/flatpak/overrides" / _FLATPAK
    try:
        let_through = "xdg-run/ldrps" in overrides.read_text(encoding="utf-8")
    except OSError:
        let_through = False
    if let_through:
        return [Finding("Flatpak", True, "its GIMP is let through to the daemon")]
    return [Finding("Flatpak", False, f"its GIMP cannot reach the daemon; run: {_OVERRIDE}")]


def _check_daemon(address: str | None) -> list[Finding]:
    from ldrps_client.client import Client

    with Client(address, autostart=False) as client:
        try:
            status = client.status()
        except LdrpsError as error:
            return [_sleeping(client.address, address is not None, error)]
        words = f"version {status.version} answers on {status.address}"
        found = [Finding("daemon", True, words)]
        try:
            names = [m.name for m in client.models.list() if m.installed and m.kind == "prior"]
        except LdrpsError as error:
            return [*found, Finding("models", False, str(error))]
    if names:
        return [*found, Finding("models", True, ", ".join(names))]
    words = "none is installed; run 'ldrps models pull bundled', or install ldrps again"
    return [*found, Finding("models", False, words)]


def _sleeping(address: str, chosen: bool, error: LdrpsError) -> Finding:
    """No daemon is fine where the plug-in can start one."""
    if chosen or os.environ.get("LDRPS_ADDRESS"):
        return Finding("daemon", False, str(error))
    command = _own_command()
    if not os.access(command, os.X_OK):
        words = f"none answers, and {command} cannot be run to start one; install ldrps again"
        return Finding("daemon", False, words)
    return Finding(
        "daemon", True, f"none answers on {address}; the plug-in starts one with {command}"
    )
