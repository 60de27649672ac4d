"""What workers write of a job: each attempt has a folder of its own, and the front takes from it.

A worker that was cut off, behind a network that is gone or in a process that will not die, may go
on writing for as long as it likes: its epoch is over, nobody reads in its folder any more, and
what its heir has saved stays as it is. The front alone gives a file the name under which it counts.
"""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from typing import Protocol

from ldrps_daemon.storage.spool import ATTEMPT, JobFolder, sync


@dataclass(frozen=True)
class Attempt:
    """One worker's time with a job, from the order to the end."""

    job: JobFolder
    """Read by the worker: header, pixels, and the checkpoint to go on from."""
    files: JobFolder
    """Written by the worker, which makes the folder."""

    def keep_checkpoint(self) -> bool:
        """Let the job's next worker go on from where this one was; False if it saved nothing."""
        try:
            os.replace(self.files.checkpoint, self.job.checkpoint)
        except FileNotFoundError:
            # What it has just told of may have been kept with what it told of before.
            return self.job.checkpoint.exists()
        except OSError:
            return False
        return True

    def keep_result(self) -> None:
        """Make what this worker has written the job's result, for good, and remove the rest.

        OSError if there is no result. Waits for the disk.
        """
        os.replace(self.files.result, self.job.result)
        self.discard()
        # Only with this does the name outlive a crash of the machine, as the journal does.
        sync(self.job.path)

    def discard(self) -> None:
        """Remove all that was not kept. Waits for the disk."""
        shutil.rmtree(self.files.path, ignore_errors=True)


class JobStore(Protocol):
    """Where a job's files lie between the front and its workers."""

    def begin(self, job: JobFolder) -> Attempt:
        """Begin an attempt at a job, in an epoch that no other attempt has."""

    def recover(self, job: JobFolder) -> None:
        """Keep what attempts have saved whose end no daemon saw, and remove the rest."""


class FolderStore:
    """A folder that front and workers both see at the same path."""

    def begin(self, job: JobFolder) -> Attempt:
        """Begin an attempt; nothing is written yet."""
        # Drawn, not counted: no daemon has to remember how far another one had counted.
        return Attempt(job, JobFolder(job.path / f"{ATTEMPT}{secrets.token_hex(4)}"))

    def recover(self, job: JobFolder) -> None:
        """Keep the newest checkpoint, told of or not; any of them is one of this very job."""
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
