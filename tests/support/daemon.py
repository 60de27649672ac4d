"""A real daemon on a real socket for tests, by default with the no-op engine.

`daemon` is one that is ready; `start_daemon(**options)` starts more, each option being one of
`ldrps serve`: `start_daemon(queue_limit=1, engine="ldrps_engine.restore")`.
"""

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc as pb_grpc
from ldrps_engine.photo import Photo
from ldrps_engine.settings import Settings
from ldrps_wire.conversion import chunks, photo_to_wire, settings_to_proto

ROOT = Path(__file__).parents[2]
NOOP = "support.noop_engine"
# Generous, because the tests share their machine with other work.
START_SECONDS = 60
CALL_SECONDS = 150
END_KINDS = ("done", "failed", "cancelled")


def environment():
    """Import paths that work with and without an installed distribution."""
    here = [ROOT / "tests", ROOT, ROOT / "proto", ROOT / "daemon"]
    inherited = os.environ.get("PYTHONPATH")
    paths = [*map(str, here), *([inherited] if inherited else [])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def command(**options):
    """The command line of a daemon."""
    words = [
        f"--{name.replace('_', '-')}={each}"
        for name, value in options.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    return [sys.executable, "-m", "ldrps_daemon", *words]


def program(folder, spool):
    """Write a program that takes `serve` and an address, and notes its pid in the folder."""
    words = [sys.executable, "-m", "ldrps_daemon", f"--spool={spool}", f"--engine={NOOP}"]
    made = folder / "program"
    made.write_text(f'#!/bin/sh\nshift\necho $$ > {folder}/pid\nexec {" ".join(words)} "$@"\n')
    made.chmod(0o755)
    return made


class Daemon:
    """A daemon's process, and a plain client of it."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.socket = folder / "s"
        defaults = {"address": f"unix:{self.socket}", "spool": folder / "spool", "engine": NOOP}
        options = defaults | options
        self.address, self.spool = options["address"], Path(options["spool"])
        self.log = []
        self.process = subprocess.Popen(
            command(**options), stderr=subprocess.PIPE, text=True, env=environment()
        )
        self._serves = False
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        if not self._ready.wait(START_SECONDS) or not self._serves:
            self.stop()
            raise AssertionError("the daemon did not start:\n" + "".join(self.log))
        self.channel = channel_to(self.address, options.get("token_file"))
        self.stub = pb_grpc.RestorationStub(self.channel)

    def _read(self):
        with self.process.stderr as lines:
            for line in lines:
                self.log.append(line)
                if line.startswith("ldrps: serving on"):
                    self._serves = True
                    self._ready.set()
        self._ready.set()

    def stop(self, number=signal.SIGTERM):
        """End it and return its exit code."""
        if hasattr(self, "channel"):
            self.channel.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self._reader.join(timeout=20)

    def submit(self, photo=None, **more):
        """Hand in a photo; keywords are SubmitHeader's, and Settings' as a dict `settings`."""
        return self.stub.Submit(requests(photo, **more), timeout=CALL_SECONDS)

    def watch(self, job_id, **more):
        """Yield the events of a job."""
        request = pb.WatchRequest(job_id=job_id, **more)
        return self.stub.Watch(request, timeout=CALL_SECONDS)

    def job(self, job_id):
        """Return a job as it is now."""
        return self.stub.GetJob(pb.GetJobRequest(job_id=job_id), timeout=CALL_SECONDS)

    def cancel(self, job_id):
        """Stop a job."""
        return self.stub.Cancel(pb.CancelRequest(job_id=job_id), timeout=CALL_SECONDS)

    def status(self):
        """Return the state of the daemon."""
        return self.stub.Status(pb.StatusRequest(), timeout=CALL_SECONDS)

    def restores(self):
        """Tell whether a plain job still works."""
        return kinds(self.watch(self.submit().job_id))[-1] == "done"

    def kept(self):
        """List the folders of jobs in its spool."""
        return [path for path in self.spool.glob("*/*") if path.is_dir()]

    def running_worker(self, job_id):
        """Return the process id of the worker that is beyond this job's first step.

        Its report of that step came before the checkpoint, that of the next one comes after.
        """
        steps = (event for event in self.watch(job_id) if event.HasField("step"))
        if len(list(islice(steps, 2))) < 2:
            raise AssertionError("the job took no two steps")
        return self.status().workers[0].pid


def channel_to(address, token_file=None):
    """Open a plain channel; to a loopback address one that trusts the daemon's own certificate."""
    if address.startswith(("unix:", "tls:")):
        return grpc.insecure_channel(address)
    certificate = Path(f"{token_file}.pem").read_bytes()
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(certificate))


def grey_photo(width=20, height=16, value=77):
    """A small uniform photo."""
    return Photo.from_samples(np.full((height, width, 3), value, np.uint8))


def requests(photo=None, *, settings=None, **header):
    """Yield the requests of a Submit for a photo."""
    raster, data = photo_to_wire(photo or grey_photo())
    chosen = settings_to_proto(Settings(**(settings or {})))
    yield pb.SubmitRequest(header=pb.SubmitHeader(settings=chosen, raster=raster, **header))
    for chunk in chunks(data):
        yield pb.SubmitRequest(chunk=chunk)


def kinds(events):
    """List the kinds of events that came."""
    return [event.WhichOneof("kind") for event in events]


def layer_bytes(events, layer=0):
    """Join the pixels that a watcher received."""
    found = (event.layer_chunk for event in events if event.HasField("layer_chunk"))
    return b"".join(chunk.data for chunk in found if chunk.layer == layer)


def wait_until(condition, seconds=30):
    """Poll until something is so, and return whether it came to be."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


@contextmanager
def no_file_larger(pid, size):
    """Limit the files that the process can write, until the block or the process ends."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def header(**fields):
    """Yield the one message of a Submit that stops behind its header."""
    return [pb.SubmitRequest(header=pb.SubmitHeader(**fields))]


def refused(daemon, messages):
    """Return the error that a Submit is refused with."""
    with pytest.raises(grpc.RpcError) as caught:
        daemon.stub.Submit(messages, timeout=30)
    return caught.value


def serving(daemon):
    """Tell whether health says that jobs are taken."""
    stub = health_pb2_grpc.HealthStub(daemon.channel)
    asks = [health_pb2.HealthCheckRequest(service=name) for name in ("", "ldrps.v1.Restoration")]
    serving = health_pb2.HealthCheckResponse.SERVING
    return all(stub.Check(ask, timeout=10).status == serving for ask in asks)


def together(*actions):
    """Do several things at once, and wait for them."""
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def alive(pid):
    """Tell whether a process still runs."""
    try:
        os.kill(pid, 0)
        # A zombie that init has not collected yet is dead enough.
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = cycle(range(20000 + 500 * (_WORKER % 20), 20500 + 500 * (_WORKER % 20)))
"""Ports below those that the kernel gives to connections, and each worker's own: what is free when
it is asked for is still free when a daemon begins to listen."""


def free_port():
    """Return a TCP port that nobody uses, and that no other test run beside this one is given."""
    for _ in range(500):
        port = next(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("500 ports are in use")


@contextmanager
def running_daemon(**options):
    """Run a daemon for as long as the block lasts, in a short folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ldrps-"))
    made = Daemon(folder, **options)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


@pytest.fixture
def start_daemon():
    """Starts daemons that end with the test. Folders are short: socket paths are limited."""
    folders, daemons = [], []

    def start(**options):
        folders.append(Path(tempfile.mkdtemp(prefix="ldrps-")))
        daemons.append(Daemon(folders[-1], **options))
        return daemons[-1]

    yield start
    for each in daemons:
        each.stop()
    for folder in folders:
        shutil.rmtree(folder)


@pytest.fixture
def daemon(start_daemon):
    """One daemon with the no-op engine."""
    return start_daemon()
