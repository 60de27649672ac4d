"""The last photo that a worker keeps holds a model, so that it goes when models do."""

import multiprocessing

import pytest

from ldrps_daemon.workers.pipe import ModelCommand
from ldrps_daemon.workers.worker import LOW_MEMORY, Worker
from support import noop_engine


@pytest.fixture
def worker():
    front, pipe = multiprocessing.Pipe()
    made = Worker(pipe, "cpu", "support.noop_engine")
    made._models_of(noop_engine, 0)
    made._last.keep("known", "sample")
    yield made
    front.close()
    pipe.close()


def command(action):
    return ModelCommand(job=f"{action} a", action=action, model="a")


@pytest.mark.parametrize(
    "change",
    [
        Worker._rest,
        lambda worker: worker._work(noop_engine, command("load")),
        lambda worker: worker._work(noop_engine, command("unload")),
        lambda worker: worker._models_of(noop_engine, LOW_MEMORY),
    ],
    ids=["rest", "load", "unload", "low memory"],
)
def test_the_last_photo_is_forgotten_before_models_change(worker, change):
    change(worker)
    assert worker._last._known is None
    assert worker._last._sample is None


def test_it_is_kept_while_the_models_stay(worker):
    worker._models_of(noop_engine, 0)
    assert worker._last._sample == "sample"
