import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.storage.jobs import Job
from ldrps_engine.settings import Settings
from support.daemon import NOOP, environment

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
