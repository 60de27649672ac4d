"""Workers that come and go, which a test plays."""

import asyncio
import json
from pathlib import Path

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.scheduling.worker_specs import WorkerSpec
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.storage.spool import JobFolder, write_layers
from ldrps_engine.result import Layer
from ldrps_engine.settings import Settings
from ldrps_wire.conversion import photo_to_wire
from support.daemon import grey_photo

SECONDS = 30


class Worker:
    """A transport to nobody."""

    pid = 1

    def __init__(self, options, on_report):
        self.tell = lambda report: on_report(self, report)
        self.orders = []
        self.ended = False
        asyncio.get_running_loop().call_soon(self.tell, pb.Worker(state=pb.WORKER_STATE_IDLE))

    def send_bytes(self, data):
        self.orders.append(json.loads(data))

    def memory_bytes(self):
        return 0

    def end(self):
        self.ended = True

    async def kill(self):
        self.end()
        return 0

    async def ordered(self):
        """The files of the attempt that it was ordered to make."""
        while not self.orders:
            await asyncio.sleep(0.01)
        return JobFolder(self._path("attempt"))

    def _path(self, name):
        return Path(self.orders[-1][name])


class Specs:
    """A pool whose workers the test gives and takes."""

    trouble = "no machine has joined yet"
    leaving = ()

    def __init__(self):
        self.workers = {}

    async def open(self, on_specs):
        self.give = lambda *names: on_specs([self._spec(name) for name in names])

    async def close(self):
        pass

    def want(self, load):
        self.load = load

    def _spec(self, name):
        return WorkerSpec(name=name, device="cpu", launch=self._launcher(name))

    def _launcher(self, name):
        def launch(options, on_report):
            self.workers[name] = Worker(options, on_report)
            return self.workers[name]

        return self.__dict__.setdefault(f"launch {name}", launch)

    async def worker(self, name):
        while name not in self.workers:
            await asyncio.sleep(0.01)
        return self.workers[name]


async def accepted(dispatcher, priority=pb.PRIORITY_INTERACTIVE, **settings):
    raster, data = photo_to_wire(grey_photo())
    job = Job(
        pb.SubmitHeader(raster=raster, detached=True, priority=priority),
        Settings(**settings),
        dispatcher.spool,
    )
    with job.folder.make(job.header) as file:
        file.write(data)
    await dispatcher.accept(job)
    return job


def finish(worker, files, value):
    """Write a result as a worker does, and tell of it."""
    files.path.mkdir(exist_ok=True)
    (header,) = write_layers(files.result, [Layer("restored", grey_photo(value=value))])
    worker.tell(pb.Event(layer_header=header))
    worker.tell(pb.Event(done=pb.Done(seconds=1.0)))


async def idle(dispatcher):
    """Return when every worker waits for a job."""
    while len(dispatcher.queue._idle) < len(dispatcher.slots):
        await asyncio.sleep(0.01)


async def ended(job):
    return [event async for event in job.feed.follow(1, False)]


async def first(job):
    async for event in job.feed.follow(1, False):
        yield event
        return


def photo_bytes():
    return photo_to_wire(grey_photo())[1]
