"""The client library: hand in photos, follow jobs, query the daemon."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypedDict, Unpack

import grpc
import numpy as np

from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc
from ldrps_client import events
from ldrps_client._autostart import ensure_running
from ldrps_client._channel import credentials, is_connection_loss, open_channel, translated
from ldrps_client._damage import split_damage
from ldrps_client._gathering import Gathered
from ldrps_client._inputs import PhotoLike, take
from ldrps_client._names import FORMER_KEYWORDS
from ldrps_client._reaching import persistently
from ldrps_client._records import DaemonStatus, Job, job_of, status_from_wire
from ldrps_client._result import Result
from ldrps_client._variants import variant_seeds
from ldrps_client._watching import Reader, messages
from ldrps_client.files import LoadedFile
from ldrps_client.models import ModelManager, reference
from ldrps_engine.errors import LdrpsError, SettingsError
from ldrps_engine.photo import Mask, Photo
from ldrps_engine.settings import Settings
from ldrps_wire.address import default_address
from ldrps_wire.conversion import check_raster, chunks, raster_of, settings_to_proto
from ldrps_wire.hints import did_you_mean
from ldrps_wire.masks import mask_to_wire

MAX_JOBS = 1000
"""Most jobs that the daemon lists at once."""


class Choices(TypedDict, total=False):
    """Settings by name; see ldrps_engine.settings.Settings."""

    recipe: str
    strength: float
    description: str | None
    recurrences: int | None
    steps: int | None
    seed: int
    model: str
    noise_sigma: float | None
    describer: str
    solver: str | None
    allow_colour: bool
    damage: Any
    """`off`, or a mask in any of the forms of a photo, or booleans (H, W)."""
    amounts: Mapping[str, float]
    layers: tuple[str, ...]


class Client:
    """A connection to the daemon, started if none answers. One may be used from many threads."""

    def __init__(self, address: str | None = None, *, autostart: bool = True) -> None:
        """Take an `address`, `unix:PATH` or `127.0.0.1:PORT`; None: the user's own daemon."""
        self.address = address or default_address()
        self._autostart = autostart
        self._channel = open_channel(self.address)
        self._stub = _stub(self._channel)
        self.models = ModelManager(self._channel, self.address, self._wake)
        """Models of the daemon's machine."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            hint = "; it is called variants now" if name == "samples" else ""
            raise AttributeError(f"'Client' object has no attribute '{name}'{hint}")

    def restore(
        self,
        photo: PhotoLike,
        *,
        on_event: Callable[[events.Event], None] | None = None,
        **choices: Unpack[Choices],
    ) -> Result:
        """Restore one photo and wait for it. Ctrl-C, or any error here, cancels the job.

        A photo is a path; the bytes of a photo file, or a file opened with 'rb'; a PIL image; or
        an array (H, W) or (H, W, 1..4), of uint8, uint16, or floats from 0 to 1.
        """
        settings, mask = _settings(choices)
        loaded = take(photo)
        pixels = _pixels(loaded, mask)
        job_id = self._submit(pixels, settings, detached=False, batch=False)
        gathered = Gathered()
        try:
            for event in self.watch(job_id):
                gathered.add(event)
                if on_event:
                    on_event(event)
        except BaseException:
            self._cancel_quietly(job_id)
            raise
        source = loaded if isinstance(loaded, LoadedFile) else None
        return gathered.result(settings, job_id, source, mask)

    def variants(
        self,
        photo: PhotoLike,
        count: int,
        *,
        on_event: Callable[[events.Event], None] | None = None,
        **choices: Unpack[Choices],
    ) -> Iterator[Result]:
        """Restore one photo `count` times with the seeds from the given one on, to choose from.

        Each result comes as soon as it is ready. SettingsError if `count` is not 1 to 16.
        """
        seeds = variant_seeds(choices.get("seed", 0), count)
        loaded = take(photo)

        def restored(seed: int) -> Result:
            chosen = {**choices, "seed": seed}
            return self.restore(loaded, on_event=on_event, **chosen)  # type: ignore[arg-type]

        return map(restored, seeds)

    def submit(
        self,
        photo: PhotoLike,
        *,
        detached: bool = False,
        batch: bool = False,
        idempotency_key: str | None = None,
        deadline_seconds: float = 0.0,
        **choices: Unpack[Choices],
    ) -> str:
        """Hand in one photo; returns the job's id.

        A detached job goes on without watchers. Batch jobs let others go first. A repeated
        call with the same `idempotency_key` gives the same job; None: every call a new one.
        A job that has not ended after `deadline_seconds` is cancelled; 0: never.
        """
        settings, mask = _settings(choices)
        if not isinstance(deadline_seconds, Real):
            raise SettingsError(f"deadline_seconds is {deadline_seconds!r}; give a number")
        pixels = _pixels(take(photo), mask)
        return self._submit(
            pixels,
            settings,
            detached=detached,
            batch=batch,
            idempotency_key=idempotency_key,
            deadline_seconds=deadline_seconds,
        )

    def result(
        self,
        job_id: str,
        *,
        source: LoadedFile | None = None,
        on_event: Callable[[events.Event], None] | None = None,
    ) -> Result:
        """Wait for a job handed in by `submit`, now or long ago, and return its result.

        `source` is the file it came from, whose metadata `Result.save` writes. Unlike in
        `restore`, an error here leaves the job alone.
        """
        gathered = Gathered()
        for event in self.watch(job_id):
            gathered.add(event)
            if on_event:
                on_event(event)
        return gathered.result(self.job(job_id).settings, job_id, source)

    def watch(
        self, job_id: str, *, from_event: int = 1, previews: bool = False
    ) -> Iterator[events.Event]:
        """Yield the events of a job to its end. A broken connection is resumed where it broke.

        A daemon that died is started again, unless `autostart` is off, and its jobs go on.

        Raises the error of a failed job, CancelledError if it was cancelled, LimitError if
        `from_event` is past the last event of the job.
        """
        request = pb.WatchRequest(job_id=job_id, from_event=from_event, previews=previews)
        reader = Reader()
        revive = self._wake if self._autostart else None
        for message in messages(self._stub, self.address, request, revive):
            if (event := reader.read(message)) is not None:
                yield event

    def cancel(self, job_id: str) -> Job:
        """Stop a job; a job that has ended is not changed."""
        return job_of(self._call(self._stub.Cancel, pb.CancelRequest(job_id=job_id)))

    def job(self, job_id: str) -> Job:
        """Return one job; NotFoundError if there is none."""
        return job_of(self._call(self._stub.GetJob, pb.GetJobRequest(job_id=job_id)))

    def jobs(self, limit: int = 100) -> list[Job]:
        """Return the jobs, newest first, 1000 at most."""
        if not isinstance(limit, int) or not 1 <= limit <= MAX_JOBS:
            raise SettingsError(f"limit is {limit!r}; use 1 to {MAX_JOBS}")
        answer = self._call(self._stub.ListJobs, pb.ListJobsRequest(limit=limit))
        return [job_of(message) for message in answer.jobs]

    def status(self) -> DaemonStatus:
        """Return the state of the daemon; never starts one."""
        return status_from_wire(self._call(self._stub.Status, pb.StatusRequest()))

    def _wake(self) -> None:
        if self._autostart:
            ensure_running(self.address)

    def close(self) -> None:
        """Close the connection. The daemon goes on."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, method: Any, request: Any) -> Any:
        def call(left: float) -> Any:
            return method(request, timeout=left, metadata=credentials(self.address))

        with translated(self.address):
            return persistently(call, self.address)

    def _submit(
        self,
        photo: Photo,
        settings: Settings,
        *,
        detached: bool,
        batch: bool,
        idempotency_key: str | None = None,
        deadline_seconds: float = 0.0,
    ) -> str:
        raster = raster_of(photo)
        check_raster(raster)
        if self._autostart:
            ensure_running(self.address)
        header = pb.SubmitHeader(
            settings=settings_to_proto(_by_name(settings)),
            raster=raster,
            idempotency_key=idempotency_key or uuid.uuid4().hex,
            priority=pb.PRIORITY_BATCH if batch else pb.PRIORITY_INTERACTIVE,
            detached=detached,
            deadline_seconds=deadline_seconds,
            damage=None if photo.damage is None else mask_to_wire(photo.damage),
        )
        with translated(self.address):
            try:
                return self._submit_once(header, photo)
            except grpc.RpcError as error:
                if not is_connection_loss(error):
                    raise
                # Safe to repeat: the daemon knows the key if an earlier try reached it.
                return persistently(lambda _: self._submit_once(header, photo), self.address)

    def _submit_once(self, header: pb.SubmitHeader, photo: Photo) -> str:
        answer = self._stub.Submit(_requests(header, photo), metadata=credentials(self.address))
        return str(answer.job_id)

    def _cancel_quietly(self, job_id: str) -> None:
        # The error on its way says more than that this did not work.
        with suppress(LdrpsError):
            self.cancel(job_id)


def _stub(channel: Any) -> Any:
    make: Any = restoration_pb2_grpc.RestorationStub  # generated code has no types
    return make(channel)


def _settings(choices: Choices) -> tuple[Settings, Mask | None]:
    """Split choices into settings and the mask of damage among them."""
    for name in choices.keys() - Choices.__annotations__.keys():
        hint = did_you_mean(name, Choices.__annotations__, FORMER_KEYWORDS)
        raise SettingsError(f"'{name}' is no setting{hint or '; see docs/reference/settings.md'}")
    plain, mask = split_damage(dict(choices))
    return Settings(**plain), mask


def _pixels(loaded: LoadedFile | Photo, mask: Mask | None) -> Photo:
    photo = loaded.photo if isinstance(loaded, LoadedFile) else loaded
    return photo if mask is None else photo.with_damage(mask)


def _requests(header: pb.SubmitHeader, photo: Photo) -> Iterator[pb.SubmitRequest]:
    yield pb.SubmitRequest(header=header)
    for chunk in chunks(np.ascontiguousarray(photo.to_samples()).view(np.uint8).data):
        yield pb.SubmitRequest(chunk=chunk)


def _by_name(settings: Settings) -> Settings:
    """Replace models of one's own, given by path, by the names they have with the daemon."""
    return replace(
        settings, model=reference(settings.model), describer=reference(settings.describer)
    )
