"""Start of a daemon when none answers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ldrps_client._channel import open_channel
from ldrps_client._listening import is_listening, silent
from ldrps_client._reaching import persistently
from ldrps_client._text import cause_and_remedy
from ldrps_engine.errors import SettingsError, UnavailableError
from ldrps_wire.address import run_folder
from ldrps_wire.installed import require_daemon
from ldrps_wire.ownership import own_folder
from ldrps_wire.system import IN_ITS_OWN_SESSION, lock

START_SECONDS = 60.0
_PROBE_SECONDS = 2.0
_PAUSE_SECONDS = 0.1
_SILENCE_SECONDS = 20.0
# A daemon that ended at once may have found that another one is just starting.
_PATIENCE_SECONDS = 3.0


def is_serving(address: str) -> bool:
    """Tell whether a daemon answers and takes jobs."""
    return bool(_health(address))


def _health(address: str) -> bool | None:
    """Tell whether a daemon takes jobs; None where none answers."""
    channel = open_channel(address)
    try:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        answer: Any = persistently(
            lambda left: stub.Check(request, timeout=left), address, _PROBE_SECONDS
        )
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
    except (grpc.RpcError, UnavailableError):
        return None
    finally:
        channel.close()


def check_startable(address: str) -> None:
    """Raise UnavailableError if nothing listens there and no daemon can be started from here."""
    if not is_listening(address):
        require_daemon()


def ensure_running(address: str, *, seconds: float = START_SECONDS) -> None:
    """Start a daemon unless one answers; UnavailableError tells why none does."""
    if is_serving(address):
        return
    check_startable(address)
    log = _log_file()
    with _one_starter(log.with_name("start.lock")):
        if is_serving(address) or _answers_late(address):
            return
        require_daemon()
        began_at = log.stat().st_size if log.exists() else 0
        process = _start(address, log)
        if not _wait(address, process, seconds):
            why = _last_line(log, began_at)
            raise UnavailableError(
                f"the daemon did not start ({why}); see {log}, or run 'ldrps serve' to watch it"
            )


def _answers_late(address: str) -> bool:
    """Wait for the process that listens there: a starting daemon answers soon, an ending one goes.

    False once nothing listens; UnavailableError if it stays silent. A second daemon would
    find the address taken.
    """
    deadline = time.monotonic() + _SILENCE_SECONDS
    while is_listening(address):
        if is_serving(address):
            return True
        if time.monotonic() > deadline:
            raise silent(address)
        time.sleep(_PAUSE_SECONDS)
    return False


@contextmanager
def _one_starter(path: Path) -> Iterator[None]:
    """Let one of the clients that find no daemon at the same time start it; the others wait.

    Without it a second daemon could still be on its way up when the first one is stopped.
    """
    with path.open("wb") as file:
        lock(file, wait=True)
        yield


def _log_file() -> Path:
    folder = run_folder()
    try:
        own_folder(folder)
    except SettingsError as error:
        raise UnavailableError(f"{error}; set XDG_RUNTIME_DIR to a folder of your own") from None
    return folder / "daemon.log"


def _start(address: str, log: Path) -> subprocess.Popen[bytes]:
    # -P: what lies in the folder one happens to be in is not imported.
    command = [sys.executable, "-P", "-m", "ldrps_daemon", "--address", address]
    try:
        with log.open("ab") as output:
            # In a session of its own: Ctrl-C here is not meant for it, nor is the end of a shell.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **IN_ITS_OWN_SESSION,
            )
    except OSError as error:
        raise UnavailableError(f"the daemon cannot be started: {cause_and_remedy(error)}") from None


def _wait(address: str, process: subprocess.Popen[bytes], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    ended = False
    while time.monotonic() < deadline:
        if is_serving(address):
            # It outlives us on purpose; Popen would warn of that when it is collected.
            process.returncode = process.returncode or 0
            return True
        if not ended and process.poll() is not None:
            ended = True
            deadline = min(deadline, time.monotonic() + _PATIENCE_SECONDS)
        time.sleep(_PAUSE_SECONDS)
    return False


def _last_line(log: Path, offset: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(offset)
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return "it left no word"
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:300] if said else "it left no word"
