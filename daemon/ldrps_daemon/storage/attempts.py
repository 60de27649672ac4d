"""Files that workers write for a job: each attempt has its own folder, from which the front takes.

A worker that was cut off, behind a network that is gone or in a process that will not die, may go
on writing for as long as it likes: its epoch is over, its folder is not read any more, and
what its heir has saved stays as it is. The front alone gives a file the name under which it counts.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from typing import Protocol

from ldrps_daemon.storage.spool import ATTEMPT, JobFolder
from ldrps_engine.model_store.atomic import replace, sync


@dataclass(frozen=True)
class Attempt:
    """One worker's time with a job, from the order to the end."""

    job: JobFolder
    """Folder read by the worker: header, pixels, and the checkpoint to go on from."""
    files: JobFolder
    """Folder written by the worker, which makes it."""

    def keep_checkpoint(self) -> bool:
        """Let the job's next worker go on from this one's checkpoint; False if it saved none."""
        try:
            replace(self.files.checkpoint, self.job.checkpoint)
        except FileNotFoundError:
            # What it has just reported may have been kept with what it reported before.
            return self.job.checkpoint.exists()
        except OSError:
            return False
        return True

    def keep_result(self) -> None:
        """Make the output of this worker the job's final result, and remove the rest.

        OSError if there is no result. Waits for the disk.
        """
        replace(self.files.result, self.job.result)
        self.discard()
        # Only with this does the name outlive a crash of the machine, as the journal does.
        sync(self.job.path)

    def discard(self) -> None:
        """Remove everything that was not kept. Waits for the disk."""
        shutil.rmtree(self.files.path, ignore_errors=True)


class JobStore(Protocol):
    """Storage of a job's files between the front and its workers."""

    def begin(self, job: JobFolder) -> Attempt:
        """Begin an attempt at a job, in an epoch that no other attempt has."""

    def recover(self, job: JobFolder) -> None:
        """Keep what attempts without a recorded end have saved, and remove the rest."""


class FolderStore:
    """A folder that front and workers both see at the same path."""

    def begin(self, job: JobFolder) -> Attempt:
        """Begin an attempt; nothing is written yet."""
        # Drawn, not counted: no daemon has to remember how far another one had counted.
        return Attempt(job, JobFolder(job.path / f"{ATTEMPT}{secrets.token_hex(4)}"))

    def recover(self, job: JobFolder) -> None:
        """Keep the newest checkpoint, reported or not; any of them is of this very job."""
        left = [Attempt(job, JobFolder(path)) for path in job.path.glob(f"{ATTEMPT}*")]
        newest = max([job, *(attempt.files for attempt in left)], key=_saved_at)
        for attempt in left:
            if attempt.files is newest:
                attempt.keep_checkpoint()
            attempt.discard()


def _saved_at(files: JobFolder) -> float:
    try:
        return files.checkpoint.stat().st_mtime
    except OSError:
        return 0.0
