"""Submit: limits first, then pixels straight to disk, then the journal, then the queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import BinaryIO

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.scheduling.dispatch import Dispatcher
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.transport.admission import check_header
from ldrps_daemon.transport.pace import Pace
from ldrps_engine.errors import InternalError, PhotoError
from ldrps_wire.conversion import CHUNK_BYTES, settings_from_proto
from ldrps_wire.masks import check_mask

Requests = AsyncIterator[pb.SubmitRequest]


class Intake:
    """Takes photos in, for one daemon."""

    def __init__(self, config: ServeConfig, dispatcher: Dispatcher) -> None:
        self._config = config
        self._dispatcher = dispatcher
        self._accepting = asyncio.Lock()

    async def take(self, requests: Requests, client: str) -> tuple[Job, bool]:
        """Return the job for a stream of requests, and whether it was there before."""
        pace = Pace(self._config)
        header = await self._header(requests, pace)
        if known := self._dispatcher.index.with_key(header.idempotency_key):
            return known, True
        settings = settings_from_proto(header.settings)
        check_header(header)
        # Unpacking a large mask takes a moment, in which other calls are answered.
        await asyncio.to_thread(check_mask, header, settings)
        waiting = len(self._dispatcher.queue) + len(self._dispatcher.looks)
        admission = self._dispatcher.admission
        with admission.place(header, client, waiting, self._dispatcher.retry_after, pace) as size:
            job = Job(header, settings, self._dispatcher.spool, client)
            return await self._receive(job, size, requests, pace)

    async def _header(self, requests: Requests, pace: Pace) -> pb.SubmitHeader:
        request = await pace.next(requests)
        if request is None or not request.HasField("header"):
            raise PhotoError("the first message is no header; send one before the pixels")
        return request.header

    async def _receive(
        self, job: Job, size: int, requests: Requests, pace: Pace
    ) -> tuple[Job, bool]:
        try:
            await self._spool(job, size, requests, pace)
            await asyncio.to_thread(job.folder.sync)
        except OSError as error:
            job.folder.remove()
            raise InternalError(f"the photo cannot be kept on disk ({error.strerror})") from error
        except BaseException:
            # Also when the client vanishes half-way.
            job.folder.remove()
            raise
        # From here on it is accepted or refused as a whole, also if the client leaves meanwhile.
        return await asyncio.shield(asyncio.ensure_future(self._accept(job)))

    async def _accept(self, job: Job) -> tuple[Job, bool]:
        async with self._accepting:
            # The same photo may have come in over a second connection meanwhile.
            if known := self._dispatcher.index.with_key(job.header.idempotency_key):
                job.folder.remove()
                return known, True
            try:
                await self._dispatcher.accept(job)
            except BaseException:
                job.folder.remove()
                raise
            return job, False

    async def _spool(self, job: Job, size: int, requests: Requests, pace: Pace) -> None:
        with job.folder.make(job.header) as file:
            left = size
            while request := await pace.next(requests):
                came = await _keep(request, left, file)
                pace.received(came)
                left -= came
        if left:
            raise PhotoError(f"the photo ended {left} bytes early; {size} bytes were announced")


async def _keep(request: pb.SubmitRequest, left: int, file: BinaryIO) -> int:
    """Write one chunk and return its size."""
    if request.HasField("header"):
        raise PhotoError("a second header came; submit each photo in a call of its own")
    size = len(request.chunk)
    if not size:
        raise PhotoError("a chunk is empty; send between 1 byte and 1 MiB in each")
    if size > CHUNK_BYTES:
        raise PhotoError(f"a chunk has {size} bytes; send at most {CHUNK_BYTES} in each")
    if size > left:
        raise PhotoError("more bytes came than the header announced; check width, height and type")
    await asyncio.to_thread(file.write, request.chunk)
    return size
