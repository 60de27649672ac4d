"""Start of the daemon, when none answers."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from ldrps_gimp.endpoint import IN_ITS_OWN_SESSION, Endpoint, command, next_step, run_folder
from ldrps_gimp.errors import RestoreError
from ldrps_gimp.i18n import _
from ldrps_gimp.ownership import make_folder

if TYPE_CHECKING:
    from ldrps_gimp.daemon import Daemon

START_SECONDS = 60.0
_TICK_SECONDS = 0.05
_PATIENCE_SECONDS = 3.0
_SILENCE_SECONDS = 20.0


def answers_late(daemon: Daemon) -> bool:
    """Wait for the process that listens there: a starting daemon answers soon, an ending one goes.

    False once nothing listens; RestoreError if it stays silent. A second daemon would
    find the address taken.
    """
    deadline = time.monotonic() + _SILENCE_SECONDS
    while daemon.endpoint.is_listening():
        if daemon.is_serving():
            return True
        if time.monotonic() > deadline:
            raise RestoreError("unavailable", silence(daemon.endpoint))
        daemon.sleep(_TICK_SECONDS)
    return False


def silence(endpoint: Endpoint) -> str:
    """Sentence about an address where a process listens and does not answer."""
    text = _(
        "Something listens on {address} but does not answer. Try again in a moment, "
        "or end it by hand."
    )
    return text.format(address=endpoint.address)


def start(daemon: Daemon) -> None:
    """Start the daemon; RestoreError says why that failed, and what to do."""
    if daemon.endpoint.chosen:
        text = _("No daemon answers on {address}.").format(address=daemon.endpoint.address)
        raise RestoreError("unavailable", f"{text} {next_step()}")
    program = command()
    if program is None:
        text = _("The restoration daemon is not running.")
        raise RestoreError("unavailable", f"{text} {next_step()}")
    folder = run_folder()
    log = folder / "daemon.log"
    try:
        make_folder(folder)
        with log.open("ab") as output:
            began_at = output.tell()
            # In a session of its own: it outlives GIMP, for the next photo.
            process = subprocess.Popen(
                [program, "serve", "--address", daemon.endpoint.address],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **IN_ITS_OWN_SESSION,
            )
    except OSError as error:
        text = _("The daemon cannot be started ({reason}).").format(reason=error.strerror)
        raise RestoreError("unavailable", f"{text} {next_step()}") from None
    if not _wait(daemon, process):
        why = _last_line(log.read_bytes()[began_at:])
        text = _("The daemon did not start ({reason}).").format(reason=why)
        raise RestoreError("unavailable", f"{text} {next_step()}")


def _wait(daemon: Daemon, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the daemon serves; False if it has ended, or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    ended = False
    while time.monotonic() < deadline:
        if daemon.is_serving():
            # It outlives us on purpose; Popen would warn of that when it is collected.
            process.returncode = process.returncode or 0
            return True
        if not ended and process.poll() is not None:
            # Another one may just be starting.
            ended = True
            deadline = min(deadline, time.monotonic() + _PATIENCE_SECONDS)
        daemon.sleep(0.1)
    return False


def _last_line(log: bytes) -> str:
    said = [line.strip() for line in log.decode(errors="replace").split("\n") if line.strip()]
    return said[-1][:300] if said else _("it left no word")
