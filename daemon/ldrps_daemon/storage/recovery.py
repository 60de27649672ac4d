"""Jobs as an earlier daemon wrote them down, and remains that cannot be jobs any more."""

from __future__ import annotations

import itertools
import json
import logging
import shutil
from pathlib import Path

from google.protobuf.message import DecodeError

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.storage.eventlog import pack, unpack
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.storage.rows import Row
from ldrps_daemon.storage.sizes import payload_bytes
from ldrps_daemon.storage.spool import JobFolder, StoredLayers
from ldrps_engine.errors import LdrpsError
from ldrps_wire.conversion import settings_from_proto
from ldrps_wire.former_names import current_layer

log = logging.getLogger("ldrps.jobs")
LOST = "lost"
"""Folder in a daemon's spool for accepted photos that its journal has lost."""
_ENDS = ("done", "failed", "cancelled")


def recovered(row: Row, spool: Path) -> Job:
    """Rebuild the job of a row, as it was left.

    Raises any exception if the row makes no sense: anything may be in it.
    """
    row.check()
    header = pb.SubmitHeader.FromString(row.header)
    header.settings.layers[:] = [current_layer(name) for name in header.settings.layers]
    job = Job(header, settings_from_proto(header.settings), spool, row.client)
    folder = JobFolder(spool / row.id)
    ending, stored = _ending_of(row, folder)
    job.resume(row)
    if ending:
        job.end(ending, stored, row.ended_at)
    return job


def _ending_of(row: Row, folder: JobFolder) -> tuple[pb.Event | None, StoredLayers | None]:
    """Return the end and the result of a row's job; ValueError for what no daemon writes."""
    if row.ending is None:
        return None, None
    ending = pb.Event.FromString(row.ending)
    if ending.WhichOneof("kind") not in _ENDS:
        raise ValueError("its ending is of no kind")
    layers = row.layers or b""
    headers = tuple(event.layer_header for event in unpack(layers))
    if pack(pb.Event(layer_header=header) for header in headers) != layers:
        raise ValueError("the headers of its layers are damaged")
    for header in headers:
        header.name = current_layer(header.name)
    stored = StoredLayers(folder.result, headers) if headers else None
    if stored and not stored.is_whole():
        words = "its result is gone from the spool; hand the photo in again"
        return pb.Event(failed=pb.Failed(reason="internal", message=words)), None
    return ending, stored


def set_aside(spool: Path, name: str, row: Row | None = None) -> Path | None:
    """Move a job's folder where nothing is deleted, with its row; None if that failed."""
    # A damaged row may hold anything in the place of an id, which must not lead elsewhere.
    folder = spool / name if isinstance(name, str) and name.isalnum() else None
    place = _free(spool / LOST, name if folder else "job")
    try:
        place.parent.mkdir(mode=0o700, exist_ok=True)
        if folder and folder.is_dir():
            folder.rename(place)
        else:
            place.mkdir(mode=0o700)
        if row:
            (place / "row.json").write_text(json.dumps(vars(row), default=_readable, indent=1))
    except OSError as error:
        log.error("job %s cannot be moved to %s and stays (%s)", name, place, error.strerror)
        return None
    return place


def clear_strays(spool: Path, known: set[str]) -> None:
    """Remove half-received photos of a dead daemon; set aside those that may have been accepted."""
    for path in sorted(spool.iterdir()):
        if not path.is_dir() or path.name in known or path.name == LOST:
            continue
        if _came_in_half(JobFolder(path)):
            shutil.rmtree(path, ignore_errors=True)
        elif place := set_aside(spool, path.name):
            log.error("the journal does not know a photo that was accepted; it is in %s", place)
    if count := sum(1 for _ in (spool / LOST).glob("*")):
        log.warning("%d jobs that cannot go on were moved to %s", count, spool / LOST)


def _came_in_half(folder: JobFolder) -> bool:
    """Tell whether this photo cannot have been accepted: that follows its last byte."""
    if not {path.name for path in folder.path.iterdir()} <= {"header", "pixels"}:
        return False
    try:
        # Anything not synced yet was not accepted.
        header = pb.SubmitHeader.FromString(folder.header.read_bytes())
        return not folder.is_whole(payload_bytes(header))
    except FileNotFoundError:
        return True
    except (OSError, DecodeError, LdrpsError):
        return False


def _free(folder: Path, name: str) -> Path:
    """Find an unused path."""
    numbered = (folder / f"{name}-{count}" for count in itertools.count(2))
    return next(path for path in itertools.chain([folder / name], numbered) if not path.exists())


def _readable(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else repr(value)
