"""A daemon in this process: inverts photos at once, and misbehaves as it is told."""

import threading
from concurrent import futures
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc
from ldrps_wire.conversion import chunks, photo_from_wire, photo_to_wire
from ldrps_wire.status import REASON_KEY, RETRY_AFTER_KEY, STATUS_OF_REASON


@dataclass
class FakeDaemon(restoration_pb2_grpc.RestorationServicer):
    refuse: tuple[str, str] | None = None
    """Reason and message with which Submit is refused."""
    cut_after: list[int] = field(default_factory=list)
    """After so many events, each Watch in turn breaks off."""
    cut_submits: int = 0
    """So many Submits break off too."""
    cut_code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    """Status with which a call ends that breaks off."""
    fail: tuple[str, str] | None = None
    """Reason and message with which jobs fail."""
    wait: bool = False
    """True if jobs go on until they are cancelled."""
    grey: bool = False
    """True if photos have no colour."""
    tint: bool = False
    """True if each seed gives another result."""
    description: pb.Description = field(
        default_factory=lambda: pb.Description(text="a street", source="tagger")
    )
    """Description that it gives of photos."""
    lose: int = 0
    """So many events are lost at the first cut, and the others numbered again."""
    forget: bool = False
    """True if a second Watch does not know the job."""
    gone: bool = False
    """True if Status finds nobody."""
    submits: list[pb.SubmitHeader] = field(default_factory=list)
    watches: list[int] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)
    jobs: dict[str, list[pb.Event]] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    """Jobs that ListJobs shows as such."""

    def Submit(self, request_iterator, context):
        header = next(request_iterator).header
        self.submits.append(header)
        if self.refuse:
            _abort(context, *self.refuse)
        if len(self.submits) <= self.cut_submits:
            context.abort(self.cut_code, "cut off")
        data = b"".join(request.chunk for request in request_iterator)
        job_id = f"job-{len(self.jobs) + 1}"
        self.jobs[job_id] = list(_numbered(self._events(header, data)))
        return pb.SubmitResponse(job_id=job_id)

    def Watch(self, request, context):
        self.watches.append(request.from_event)
        if request.job_id not in self.jobs or (self.forget and len(self.watches) > 1):
            _abort(context, "not-found", f"no job {request.job_id}")
        known = self.jobs[request.job_id]
        events = [e for e in known if e.number >= request.from_event]
        if request.from_event > len(known) + self.wait:
            _abort(context, "limit", f"from_event {request.from_event} is past the last one")
        if self.cut_after:
            yield from events[: self.cut_after.pop(0)]
            self.jobs[request.job_id] = list(_numbered(known[self.lose :]))
            self.lose = 0
            context.abort(self.cut_code, "cut off")
        yield from events
        if self.wait:
            self.cancelled.wait(10)
            cancelled = pb.Cancelled(message="cancelled by its client")
            yield pb.Event(number=events[-1].number + 1, cancelled=cancelled)

    def Cancel(self, request, context):
        self.cancelled.set()
        return self._job(request.job_id, pb.JOB_STATE_CANCELLED)

    def GetJob(self, request, context):
        if request.job_id not in self.jobs:
            _abort(context, "not-found", f"no job {request.job_id}")
        return self._job(request.job_id, pb.JOB_STATE_DONE)

    def ListJobs(self, request, context):
        ids = list(reversed(self.jobs))[: request.limit or 100]
        states = dict.fromkeys(self.running, pb.JOB_STATE_RUNNING)
        found = [self._job(job_id, states.get(job_id, pb.JOB_STATE_DONE)) for job_id in ids]
        return pb.ListJobsResponse(jobs=found)

    def Status(self, request, context):
        if self.gone:
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        held = pb.Resident(name="bundled", kind="prior", load_seconds=2.34, idle_seconds=61)
        worker = pb.Worker(
            device="cpu", state=pb.WORKER_STATE_IDLE, pid=7, models=["bundled"], residents=[held]
        )
        return pb.StatusResponse(version="9.9", pid=1, queue_limit=16, workers=[worker])

    def _job(self, job_id, state):
        return pb.Job(job_id=job_id, state=state, width=40, height=30, submitted_at=1.0)

    def _events(self, header, data):
        yield pb.Event(queued=pb.Queued(position=0))
        yield pb.Event(
            diagnosis=pb.Diagnosis(
                noise_sigma=3.0,
                grey=self.grey,
                words="noise about 3",
                inner=pb.Rectangle(left=1, top=2, width=30, height=20),
            )
        )
        yield pb.Event(description=self.description)
        for index in range(1, 4):
            yield pb.Event(step=pb.Step(stage="sample", index=index, count=3))
        if self.fail:
            yield pb.Event(failed=pb.Failed(reason=self.fail[0], message=self.fail[1]))
        elif not self.wait:
            yield from _layers(header, data, header.settings.seed if self.tint else 0)
            yield pb.Event(done=pb.Done(seconds=1.5, model="bundled", seed=header.settings.seed))


def _layers(header, data, tint):
    photo = photo_from_wire(header.raster, data)
    photo = photo.with_pixels(photo.pixels * (1 - tint / 10))
    for index, name in enumerate(header.settings.layers):
        raster, pixels = photo_to_wire(photo.with_pixels(1.0 - photo.pixels))
        header_event = pb.LayerHeader(layer=index, name=name, raster=raster)
        yield pb.Event(layer_header=header_event)
        for chunk in chunks(pixels):
            yield pb.Event(layer_chunk=pb.LayerChunk(layer=index, data=chunk))


def _numbered(events):
    for number, event in enumerate(events, 1):
        event.number = number
        yield event


def _abort(context, reason, message):
    context.set_trailing_metadata(((REASON_KEY, reason), (RETRY_AFTER_KEY, "7")))
    context.abort(STATUS_OF_REASON[reason], message)


class _Health(health_pb2_grpc.HealthServicer):
    def Check(self, request, context):
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


def serve(daemon, address):
    server = grpc.server(futures.ThreadPoolExecutor(8))
    restoration_pb2_grpc.add_RestorationServicer_to_server(daemon, server)
    health_pb2_grpc.add_HealthServicer_to_server(_Health(), server)
    server.add_insecure_port(address)
    server.start()
    return server
