"""Admission of photos: every limit, checked from the header before a byte is taken."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.config import LOCAL, ServeConfig
from ldrps_daemon.storage.job_index import JobIndex
from ldrps_daemon.storage.sizes import peak_bytes
from ldrps_daemon.transport.pace import Pace
from ldrps_engine.analysis.rectangle import check_crop
from ldrps_engine.errors import BusyError, LimitError, ModelError, PhotoError, SettingsError
from ldrps_engine.model_store.store import is_path
from ldrps_wire.conversion import check_raster, crop_of, raster_bytes, result_format
from ldrps_wire.system import memory_bytes

MAX_DEADLINE = 30 * 24 * 3600.0
FIXED_BYTES = 1280 << 20
"""Fixed part of the peak memory of a worker with the bundled model, in bytes, from what
`benchmarks/daemon_memory.py` prints; most of it is that of a photo of one megapixel."""
BYTES_PER_PIXEL = 64
"""Bytes of that peak for each pixel, from the same table."""
_MEMORY_SHARE = 0.85
_UNKNOWN = 1 << 62
_CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass
class _Held:
    """Places that are held while pixels come in."""

    paces: list[Pace] = field(default_factory=list)
    bytes: int = 0
    by_client: dict[str, tuple[int, int]] = field(default_factory=dict)

    def jobs(self) -> int:
        """Count the places, without those that have lost theirs."""
        return sum(not pace.displaced for pace in self.paces)

    def displace(self) -> bool:
        """Take a place from a sender that hardly sends anything, if there is one."""
        slow = next((pace for pace in self.paces if pace.is_slow and not pace.displaced), None)
        if slow:
            slow.displace()
        return slow is not None


class Admission:
    """Keeps the limits of one daemon."""

    def __init__(self, config: ServeConfig, index: JobIndex, spool: Path) -> None:
        self._config = config
        self._index = index
        self._spool = spool
        self._held = _Held()
        self._memory = memory_limit(config)

    @contextmanager
    def place(
        self,
        header: pb.SubmitHeader,
        client: str,
        waiting: int,
        retry_after: Callable[[], float],
        pace: Pace | None = None,
    ) -> Iterator[int]:
        """Hold a place for a photo; yields how many bytes must follow its header.

        PhotoError, SettingsError or LimitError if it will never be taken, BusyError if later.
        """
        size = payload_bytes(header, self._config)
        self._check_memory(header)
        full = waiting + self._held.jobs() >= self._config.queue_limit
        if full and not self._held.displace():
            raise _busy(f"{self._config.queue_limit} jobs are waiting already", retry_after)
        self._check_client(client, size, retry_after)
        room = self._room(header, size)
        self._check_disk(room, retry_after)
        pace = pace or Pace(self._config)
        self._held.paces.append(pace)
        self._hold(client, 1, size, room)
        try:
            yield size
        finally:
            self._held.paces.remove(pace)
            self._hold(client, -1, -size, -room)

    def used_bytes(self) -> int:
        """Return the bytes in the spool, those that are coming or to be made included."""
        return self._index.stored_bytes() + self._held.bytes

    def _check_client(self, client: str, size: int, retry_after: Callable[[], float]) -> None:
        jobs, used = self._index.share(client)
        held_jobs, held = self._held.by_client.get(client, (0, 0))
        if jobs + held_jobs >= self._config.jobs_per_client:
            count = self._config.jobs_per_client
            raise _busy(f"this client has {count} jobs here already", retry_after)
        used += held
        if used and used + size > self._config.bytes_per_client:
            raise _busy("this client's waiting photos fill its share of the disk", retry_after)

    def _room(self, header: pb.SubmitHeader, size: int) -> int:
        """Return the bytes of the spool that the photo and everything made of it take."""
        expected = peak_bytes(header)
        if header.HasField("file"):
            # Only a guess, which must not refuse a photo for good.
            expected = min(expected, self._config.spool_bytes)
        return max(size, expected)

    def _check_disk(self, room: int, retry_after: Callable[[], float]) -> None:
        limit = self._config.spool_bytes
        if self.used_bytes() + room > limit:
            self._index.sweep(spare=room + self._held.bytes)
        if room > limit:
            raise LimitError(
                f"the photo and what is made of it take up to {room} bytes; the spool takes {limit}"
            )
        if self.used_bytes() + room > limit:
            # Their bytes are free once they have their error; a caller who returns finds them so.
            while self._held.displace():
                pass
            raise _busy("waiting photos and results fill the spool", retry_after)
        if shutil.disk_usage(self._spool).free - room < self._config.spare_bytes:
            raise _busy("the disk of the spool is nearly full", retry_after)

    def _check_memory(self, header: pb.SubmitHeader) -> None:
        pixels = header.raster.width * header.raster.height
        needed = memory_needed(pixels)
        if pixels and needed > self._memory:
            raise LimitError(
                f"the photo is {header.raster.width}x{header.raster.height}, for which a worker "
                f"needs about {needed >> 20} MiB of memory; it may use "
                f"{self._memory >> 20} MiB here, so give a smaller photo"
            )

    def _hold(self, client: str, jobs: int, size: int, room: int) -> None:
        self._held.bytes += room
        mine = self._held.by_client.pop(client, (0, 0))
        if mine[0] + jobs:
            self._held.by_client[client] = (mine[0] + jobs, mine[1] + size)


def memory_needed(pixels: int) -> int:
    """Estimate the peak memory in bytes for a photo of so many pixels, from the measured table."""
    return FIXED_BYTES + BYTES_PER_PIXEL * pixels


def memory_limit(config: ServeConfig) -> int:
    """Return the memory that one worker may use, in bytes."""
    if config.memory_bytes:
        return config.memory_bytes
    if config.pool != LOCAL:
        # Other machines have other memory; a worker that finds too little says so.
        return _UNKNOWN
    return int(_machine_bytes() * _MEMORY_SHARE / len(config.resolved_devices()))


def _machine_bytes() -> int:
    present = memory_bytes()
    if present is None:
        # Not reported: a worker that finds too little says so.
        return _UNKNOWN
    try:
        return min(present, int(_CGROUP.read_text()))
    except (OSError, ValueError):
        return present


def _busy(why: str, retry_after: Callable[[], float]) -> BusyError:
    seconds = retry_after()
    return BusyError(f"{why}; try again in {seconds:.0f} seconds", seconds)


def check_header(header: pb.SubmitHeader) -> None:
    """Refuse headers that no job can have, apart from payload and settings."""
    # Written so that NaN fails too.
    if not 0 <= header.deadline_seconds <= MAX_DEADLINE:
        raise SettingsError(
            f"deadline_seconds is {header.deadline_seconds}; use 0 for none, "
            f"up to {MAX_DEADLINE:.0f}"
        )
    if result_format(header) and header.diagnose_only:
        raise SettingsError(
            "result_format asks for a file, but a diagnose_only job has no result; leave one out"
        )
    if header.HasField("crop"):
        _check_crop(header)
    for name in (header.settings.model, header.settings.describer):
        if is_path(name):
            raise ModelError(f"model '{name[:64]}' is no name of a model; see 'ldrps models list'")


def _check_crop(header: pb.SubmitHeader) -> None:
    if header.diagnose_only:
        raise SettingsError(
            "crop asks for a part of the result, but a diagnose_only job has none; leave one out"
        )
    if header.HasField("raster"):
        check_crop(crop_of(header), header.raster.width, header.raster.height)


def payload_bytes(header: pb.SubmitHeader, config: ServeConfig) -> int:
    """Return how many bytes must follow the header, once its payload is found acceptable."""
    if header.HasField("raster"):
        size = _raster_size(header.raster, config.max_pixels)
    elif header.HasField("file"):
        size = int(header.file.size)
    else:
        raise PhotoError("the header describes no payload; give a raster or a file")
    if size == 0:
        raise PhotoError("the file is empty; submit at least one byte")
    if size > config.max_bytes:
        raise LimitError(
            f"the photo has {size} bytes; this daemon takes at most {config.max_bytes}"
        )
    return size


def _raster_size(raster: pb.Raster, max_pixels: int) -> int:
    check_raster(raster)
    if raster.width * raster.height > max_pixels:
        raise LimitError(
            f"the photo is {raster.width}x{raster.height}; "
            f"this daemon takes at most {max_pixels} pixels"
        )
    return raster_bytes(raster)
