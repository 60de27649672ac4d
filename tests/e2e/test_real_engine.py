"""The whole product: real daemon, real engine, bundled model, and the client on top."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from PIL import Image

from ldrps_client import Client
from ldrps_client.events import Step
from ldrps_engine.errors import CancelledError
from support import pictures
from support.daemon import ROOT, running_daemon

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def small_dark(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "dark.png"
    with Image.open(ROOT / "examples" / "low-light.jpg") as photo:
        photo.resize((128, 96)).save(path)
    return path


@pytest.fixture(scope="module")
def client():
    """One daemon for all, whose worker loads the model once."""
    with running_daemon(engine="ldrps_engine.restore") as daemon:
        yield Client(daemon.address, autostart=False), daemon


def test_dark_photo_comes_out_bright(client, small_dark, tmp_path):
    out = tmp_path / "bright.png"
    events = []
    result = client[0].restore(small_dark, on_event=events.append)
    result.save(out)
    with Image.open(small_dark) as before, Image.open(out) as after:
        assert after.size == before.size
        # The example has a twelfth of the light, about a third of the display value.
        assert np.mean(np.asarray(after)) > 2 * np.mean(np.asarray(before))
    assert result.diagnosis.words
    assert len(events) > 10


def test_same_seed_same_pixels_across_workers(client, small_dark):
    api, daemon = client
    first = api.restore(small_dark, seed=5, steps=3).photo.to_samples()
    os.kill(daemon.status().workers[0].pid, signal.SIGKILL)
    second = api.restore(small_dark, seed=5, steps=3).photo.to_samples()
    assert np.array_equal(first, second)


def test_cancel_stops_the_sampler(client, small_dark):
    api, daemon = client
    seen = threading.Event()
    outcome = []

    def work():
        try:
            api.restore(
                small_dark,
                recipe="low-light",
                steps=1000,
                recurrences=3,
                on_event=lambda event: isinstance(event, Step) and seen.set(),
            )
        except CancelledError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert seen.wait(120)
    (job,) = [job for job in api.jobs() if job.state == "running"]
    api.cancel(job.id)
    thread.join(60)
    assert len(outcome) == 1
    until = time.monotonic() + 30
    while daemon.status().running and time.monotonic() < until:
        time.sleep(0.05)
    assert daemon.status().running == 0
    assert client[0].restore(small_dark, steps=1, recurrences=0).photo.width == 128


def test_damage_is_filled_under_a_mask_and_nowhere_else(client):
    clean = pictures.samples(pictures.natural(96, 128), np.uint8)
    mask = np.zeros((96, 128), bool)
    mask[20:80, 60:63] = True
    scratched = np.where(mask[..., None], 255, clean).astype(np.uint8)
    result = client[0].restore(scratched, damage=mask, layers=("restored", "generated"))
    restored, made = (layer.photo.to_samples() for layer in result.layers)
    assert np.array_equal(made[..., 0], np.where(mask, 255, 0))
    assert np.array_equal(restored[~mask], clean[~mask])
    # Seven steps were measured; white is 155 away from what it covers.
    assert np.abs(restored[mask].astype(int) - clean[mask]).mean() < 15
