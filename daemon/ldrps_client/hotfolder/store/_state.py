"""Place of a folder's ledger, log and lock, and the rule that only one watcher has them."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ldrps_client._places import state_folder_of
from ldrps_client._text import cause, cause_and_remedy
from ldrps_client.hotfolder.store._claim import claimed
from ldrps_engine.errors import OutputError, SettingsError
from ldrps_wire.ownership import check_way
from ldrps_wire.system import is_locked, lock


@dataclass(frozen=True)
class StateFolder:
    """Files that belong to one watched folder, on this machine's own disk and outside of it.

    SQLite is not safe on network mounts, and a folder of originals is only read.
    """

    path: Path

    @property
    def ledger(self) -> Path:
        """Path of the SQLite file."""
        return self.path / "ledger.sqlite"

    @property
    def log(self) -> Path:
        """Path of the log, a line per photo."""
        return self.path / "watch.log"

    @property
    def failed(self) -> Path:
        """Path of the failures, for a spreadsheet."""
        return self.path / "failed.csv"

    @property
    def pictures(self) -> Path:
        """Folder of small pictures of before and after, for the report."""
        return self.path / "pictures"

    @property
    def lock(self) -> Path:
        """Path of the lock, held for as long as the folder is watched."""
        return self.path / "lock"

    def make(self) -> None:
        """Make the folder; OutputError if that fails."""
        try:
            check_way(self.pictures)
            self.pictures.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as error:
            raise OutputError(
                f"folder {self.path} cannot be made ({cause(error)}); "
                "set XDG_STATE_HOME to one of your own"
            ) from None
        except SettingsError as error:
            raise OutputError(f"{error}; set XDG_STATE_HOME to one of your own") from None

    def is_watched(self) -> bool:
        """Tell whether a watcher runs now."""
        try:
            with self.lock.open("rb") as file:
                return is_locked(file)
        except OSError:
            return False


def state_home() -> Path:
    """Return the folder with the state of every watched folder."""
    return state_folder_of("watch")


def state_folder(root: Path) -> StateFolder:
    """Return the state of a watched folder, identified by its resolved path."""
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", root.name)[:40] or "root"
    return StateFolder(state_home() / f"{plain}-{digest}")


@contextmanager
def results_lock(ledger: Path) -> Iterator[None]:
    """Hold a folder's finished results exclusively: other moves and writes of them wait."""
    try:
        file = ledger.with_name("results.lock").open("ab")
    except OSError as error:
        why = cause_and_remedy(error)
        raise OutputError(f"{ledger.parent} cannot be written to: {why}") from error
    with file:
        lock(file, wait=True)
        yield


@contextmanager
def one_watcher(state: StateFolder, root: Path) -> Iterator[None]:
    """Hold the folder for as long as the block runs; OutputError if another watcher has it.

    Two locks: the ledger's own, and one that other users of this machine see. Neither is a file
    in the watched folder, which would keep its mount from being taken away. Both end with the
    process, however it ends.
    """
    with ExitStack() as stack:
        file = stack.enter_context(state.lock.open("wb"))
        try:
            lock(file, wait=False)
            if sys.platform == "linux":
                # Elsewhere names of sockets are files, and who may make one is another question.
                stack.enter_context(claimed(root))
        except OSError:
            raise OutputError(
                f"{root} is watched already; stop the other 'ldrps watch', or look at it with "
                "--status"
            ) from None
        yield
