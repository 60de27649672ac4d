"""`ldrps doctor`: all that a helper needs to know, and nothing about the user."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import stat
import subprocess
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from ldrps_client._text import cause, cause_and_remedy
from ldrps_client.cli._darktable import installed_faults
from ldrps_client.cli._output import print_json
from ldrps_client.client import Client
from ldrps_engine.errors import LdrpsError, OutputError, SettingsError
from ldrps_wire.address import check_form, run_folder
from ldrps_wire.installed import missing
from ldrps_wire.remarks import remarks
from ldrps_wire.system import CONFINES, memory_bytes

_PACKAGES = (
    *("ldrps", "torch", "diffusers", "transformers", "safetensors", "numpy", "grpcio"),
    *("protobuf", "pillow", "tifffile", "imagecodecs", "prometheus-client"),
)
_LOG_LINES = 60
_LOG_BYTES = 1 << 16
_SECONDS = 20
_SPARE_BYTES = 5 << 30
_SECRET = re.compile(r"\b[0-9a-f]{40,}\b")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_PATH = re.compile(r"(?<![\w~<.])/(?:[^\s/'\",;:()\\]+/)*[^\s/'\",;:()\\]+")


def doctor(options: Namespace) -> int:
    """Print the findings, or write them to a file."""
    if options.address:
        check_form(options.address)
    report = anonymised(_report(options.address))
    if options.output:
        _write(Path(options.output), report)
        print(f"{options.output} holds the report; read it before you send it to anyone")
    elif options.json:
        print_json(report)
    else:
        _print(report)
    return 0


def _report(address: str | None) -> dict[str, Any]:
    lacking = missing("daemon")
    found: dict[str, Any] = {
        "system": _system(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "missing": lacking,
        "gpu": _run("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv"),
        # Only the daemon decodes what it is sent.
        "sandbox": {} if lacking else _sandbox(),
        "darktable": installed_faults(),
        "folder": _folder(run_folder()),
        "daemon": _daemon(address),
        "log": _log(run_folder() / "daemon.log"),
    }
    return {"problems": _problems(found), **found}


def _system() -> dict[str, Any]:
    return {
        "platform": platform.platform(),
        "python": sys.version.split()[0],
        "cpus": os.cpu_count(),
        "memory_bytes": memory_bytes(),
        "free_disk_bytes": shutil.disk_usage(Path.home()).free,
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _run(*command: str) -> list[str]:
    """Return the output of a program; empty where there is no such program."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines()


def _sandbox() -> dict[str, bool]:
    lines = _run(sys.executable, "-P", "-m", "ldrps_daemon.workers.sandbox")
    try:
        found: dict[str, bool] = json.loads(lines[-1])
    except (IndexError, ValueError):
        return {"seccomp": False, "landlock": False}
    return found


def _folder(folder: Path) -> dict[str, str]:
    """Describe names and modes in a folder: the other causes of a socket that does not answer."""
    try:
        paths = [folder, *sorted(folder.iterdir())]
        shown = (path for path in paths if path.suffix != ".lock")
        return {path.name: stat.filemode(path.stat().st_mode) for path in shown}
    except OSError as error:
        return {folder.name: cause(error)}


def _daemon(address: str | None) -> dict[str, Any]:
    try:
        # Also what keeps one from asking: a socket in a stranger's folder, a broken certificate.
        with Client(address, autostart=False) as client:
            status, jobs = client.status(), client.jobs()
    except LdrpsError as error:
        return {"answers": False, "reason": error.reason, "because": str(error)}
    failures = Counter(f"{job.reason}: {job.message}" for job in jobs if job.state == "failed")
    states = Counter(job.state for job in jobs)
    return {"answers": True, **asdict(status), "jobs": dict(states), "failures": dict(failures)}


def _log(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_BYTES))
            return file.read().decode(errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        return []


def _problems(found: dict[str, Any]) -> list[str]:
    """List the problems, one sentence each, with what to do."""
    installed, answers = not found["missing"], found["daemon"]["answers"]
    checks: list[tuple[bool, str]] = [
        (
            not installed and not answers,
            f"the daemon lacks {', '.join(found['missing'])}; run pip install 'ldrps[daemon]'",
        ),
        (
            installed and not answers,
            found["daemon"]["because"]
            if found["daemon"].get("reason") == SettingsError.reason
            else "no daemon answers; 'ldrps serve' shows why, or that it was only not running",
        ),
        (
            CONFINES and installed and not all(found["sandbox"].values()),
            "decoding is not locked in entirely; send raw pixels, as our clients do, "
            "or install libseccomp and use Linux 5.13 or later",
        ),
        *((True, words) for words in remarks()),
        (
            found["system"]["free_disk_bytes"] < _SPARE_BYTES,
            "the disk is nearly full; make room, or give --spool another one",
        ),
        (
            bool(found["gpu"]) and "+cpu" in found["packages"]["torch"],
            "there is a GPU, but torch was installed for the CPU; install torch for CUDA",
        ),
    ]
    in_darktable = [f"in darktable: {words}" for words in found["darktable"]]
    return [*(words for wrong, words in checks if wrong), *in_darktable]


def anonymised(value: Any) -> Any:
    """Remove names of the user and the machine, paths, addresses and secrets."""
    if isinstance(value, dict):
        return {anonymised(key): anonymised(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [anonymised(each) for each in value]
    return _plain(value) if isinstance(value, str) else value


def _plain(text: str) -> str:
    text = text.replace(str(Path.home()), "~")
    names: list[tuple[Callable[[], str], str]] = [
        (lambda: os.environ.get("USER", ""), "USER"),
        (lambda: Path.home().name, "USER"),
        (socket.gethostname, "HOST"),
    ]
    for find, instead in names:
        if len(name := find()) > 1:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", instead, text)
    text = _SECRET.sub("<secret>", text)
    text = _PATH.sub(lambda match: f"<path>/{match[0].rpartition('/')[2]}" if _ours(match) else
                     "<path>", text)  # fmt: skip
    return _ADDRESS.sub(lambda match: match[0] if match[0] == "127.0.0.1" else "<address>", text)


def _ours(match: re.Match[str]) -> bool:
    """Keep the names of our own files, which say where something went wrong, and nothing else."""
    return bool(re.search(r"/ldrps|site-packages/|/lib/python", match[0]))


def _write(path: Path, report: dict[str, Any]) -> None:
    try:
        with path.open("x") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    except FileExistsError:
        raise OutputError(f"{path} is there already; choose another name") from None
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {cause_and_remedy(error)}") from None


def _print(report: dict[str, Any]) -> None:
    for name, value in report.items():
        if name == "problems":
            print("\n".join(f"problem: {words}" for words in value) or "no problems found")
        elif value:
            print(f"\n{name}")
            _print_part(value)


def _print_part(value: Any) -> None:
    pairs = value.items() if isinstance(value, dict) else (("", each) for each in value)
    for key, each in pairs:
        print(f"  {key}: {each}" if key else f"  {each}")
