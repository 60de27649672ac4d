"""State of the work for one server: the hot folder's ledger, with assets in the place of files."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from ldrps_client._places import state_folder_of
from ldrps_client._text import cause_and_remedy
from ldrps_client.hotfolder.store._entry import Entry, Identity
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_engine.errors import OutputError, SettingsError
from ldrps_engine.settings import Settings
from ldrps_wire.ownership import own_folder
from ldrps_wire.system import lock

_NONE = Identity(0, 0, 0)


@dataclass(frozen=True)
class ImmichState:
    """Ledger of a server, and results that are on their way to it."""

    ledger: Ledger
    folder: Path

    def add(self, asset: str, settings: Settings) -> Entry:
        """Take in an asset; returns the existing entry if it is known with these settings."""
        return self.ledger.add(b"", os.fsencode(asset), _NONE, f"immich:{asset}", settings)

    def staged(self, entry: Entry) -> Path:
        """Return the folder of a finished result until the server has it."""
        return self.folder / "uploads" / entry.key[:24]

    def drop(self, entry: Entry) -> None:
        """Remove a result that the server has."""
        shutil.rmtree(self.staged(entry), ignore_errors=True)

    def resume(self) -> None:
        """Queue what was begun, of which nothing is lost: what was finished is still staged."""
        for entry in self.ledger.entries("working", "placing"):
            self.ledger.change(entry.key, state="queued")

    def sweep(self) -> None:
        """Remove what a crash left of results that the server has."""
        wanted = {self.staged(entry).name for entry in self.ledger.entries("queued", "failed")}
        for folder in (self.folder / "uploads").glob("*"):
            if folder.name not in wanted:
                shutil.rmtree(folder, ignore_errors=True)

    def queue_again(self, entry: Entry) -> None:
        """Have an asset worked on once more, as another job."""
        self.ledger.change(entry.key, state="queued", tries=0, round=entry.round + 1)

    @property
    def secret(self) -> Path:
        """Path of the file with the secret that a webhook must show."""
        return self.folder / "webhook-secret"


def _opened(path: Path) -> BinaryIO:
    try:
        return open(path, "wb")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {cause_and_remedy(error)}") from error


@contextmanager
def opened_state(url: str) -> Iterator[ImmichState]:
    """Hold a server's state while the block runs; OutputError if another process has it."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", urlsplit(url).hostname or "")[:40]
    folder = state_folder_of("immich") / f"{plain}-{digest}"
    try:
        own_folder(folder)
    except SettingsError as error:
        raise OutputError(f"{error}; set XDG_STATE_HOME to one of your own") from None
    with _opened(folder / "lock") as file:
        try:
            lock(file, wait=False)
        except OSError:
            raise OutputError(
                f"{url} is worked for already; wait for the other 'ldrps immich', or end it"
            ) from None
        with closing(Ledger(folder / "ledger.sqlite")) as ledger:
            state = ImmichState(ledger, folder)
            state.resume()
            state.sweep()
            yield state
