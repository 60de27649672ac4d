import asyncio

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.storage.event_feed import EventFeed
from ldrps_daemon.storage.jobs import Job
from ldrps_daemon.storage.repository import JobRepository
from ldrps_engine.settings import Settings
from support.daemon import NOOP, environment
from support.journals import PIXELS

RASTER = pb.Raster(width=20, height=16, channels=3, sample_type=1)


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Makes configs of daemons that keep to a folder of their own."""
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])

    def make(**options):
        own = {"address": f"unix:{tmp_path}/s", "spool": tmp_path / "spool", "engine": NOOP}
        return ServeConfig(**own | options)

    return make


@pytest.fixture
def job(tmp_path):
    """Makes jobs that no daemon knows."""

    def make(client="", **header):
        payload = {} if "file" in header else {"raster": RASTER}
        made = Job(pb.SubmitHeader(**payload | header), Settings(), tmp_path, client)
        made.folder.path.mkdir()
        return made

    return make


@pytest.fixture
def spool(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@pytest.fixture
def keep(config, spool):
    """Runs something with the repository of a daemon that has taken up what lies in the spool."""

    def run(work, **options):
        async def main():
            made = JobRepository(config(**options), spool)
            try:
                return await work(made, await made.recover())
            finally:
                await made.close()

        return asyncio.run(main())

    return run


@pytest.fixture
def accepted(keep, job, spool):
    """Makes jobs that a daemon before has accepted; `work` may do more with each."""

    def make(work=None, **header):
        async def accept(made, _):
            one = job(**header)
            one.folder.remove()
            one.folder = type(one.folder)(spool / one.id)
            one.feed = EventFeed(one.id, one.folder.events)
            with one.folder.make(one.header) as file:
                file.write(PIXELS)
            await made.accept(one)
            one.publish(pb.Event(queued=pb.Queued()))
            if work:
                await work(made, one)
            return one.id

        return keep(accept)

    return make


@pytest.fixture
def models_folder(monkeypatch, tmp_path):
    """An empty folder for models."""
    monkeypatch.setenv("LDRPS_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"
