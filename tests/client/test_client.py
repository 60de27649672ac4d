"""The client library against a daemon in this process."""

import threading

import grpc
import numpy as np
import pytest

from ldrps_client import Client, events
from ldrps_client.files import decode
from ldrps_engine.analysis.rectangle import Rectangle
from ldrps_engine.errors import (
    BusyError,
    CancelledError,
    InternalError,
    LimitError,
    ModelError,
    NotFoundError,
    OutputError,
    PhotoError,
    SettingsError,
    UnavailableError,
)
from ldrps_engine.photo import Photo


def test_three_lines_of_python(address, photo, tmp_path, pixels):
    Client().restore(photo).save(tmp_path / "out.png")
    assert np.array_equal(decode(tmp_path / "out.png").photo.to_samples(), 255 - pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pixels_come_back_in_their_own_kind(client, dtype, channels):
    rng = np.random.default_rng(channels)
    given = (
        rng.random((20, 30, channels)) * Photo.from_samples(np.zeros((16, 16), dtype)).depth.peak
    ).astype(dtype)
    back = client.restore(given).photo.to_samples()
    assert back.dtype == dtype
    assert back.shape == given.shape
    if channels in (2, 4):
        assert np.array_equal(back[..., -1], given[..., -1])


def test_photos_larger_than_a_chunk(client):
    given = np.arange(1200 * 1100 * 3, dtype=np.uint32).astype(np.uint8).reshape(1200, 1100, 3)
    assert np.array_equal(client.restore(given).photo.to_samples(), 255 - given)


def test_the_result_tells_how_it_came_about(client, photo):
    seen = []
    result = client.restore(photo, recipe="haze", seed=5, on_event=seen.append)
    assert (result.seconds, result.model, result.seed) == (1.5, "bundled", 5)
    assert (result.words, result.description) == ("noise about 3", "a street")
    assert result.diagnosis is not None
    assert result.diagnosis.inner == Rectangle(1, 2, 30, 20)
    assert result.settings.recipe == "haze"
    assert [type(event) for event in seen[:3]] == [
        events.Queued,
        events.Diagnosed,
        events.Described,
    ]
    assert events.Step("sample", 2, 3, 0.0) in seen


def test_layers_come_in_the_order_asked_for(client, photo):
    result = client.restore(photo, layers=("pilot", "restored"))
    assert [layer.name for layer in result.layers] == ["pilot", "restored"]


# The second is what gRPC makes of calls that are under way when a daemon ends.
CUTS = pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])


@CUTS
@pytest.mark.parametrize("cuts", [[1], [3, 2], [7, 1], [0, 0, 2]])
def test_a_broken_watch_goes_on_where_it_broke(client, fake, photo, pixels, cuts, code):
    fake.cut_after, fake.cut_code = list(cuts), code
    seen = []
    result = client.restore(photo, on_event=seen.append)
    assert np.array_equal(result.photo.to_samples(), 255 - pixels)
    steps = [event.index for event in seen if isinstance(event, events.Step)]
    assert steps == [1, 2, 3]
    assert fake.watches == [1 + sum(cuts[:n]) for n in range(len(cuts) + 1)]


@pytest.mark.parametrize(("cut", "lose"), [(5, 4), (8, 4), (7, 6)])
def test_a_daemon_that_lost_events_is_asked_for_all(client, fake, photo, pixels, cut, lose):
    fake.cut_after, fake.lose = [cut], lose
    result = client.restore(photo)
    assert len(result.layers) == 1
    assert np.array_equal(result.photo.to_samples(), 255 - pixels)


def test_a_number_past_the_last_event_is_refused(client, photo):
    job_id = client.submit(photo)
    with pytest.raises(LimitError, match="past the last one"):
        list(client.watch(job_id, from_event=99))


@CUTS
def test_a_submit_that_broke_off_is_sent_again_as_the_same(client, fake, photo, pixels, code):
    fake.cut_submits, fake.cut_code = 1, code
    assert np.array_equal(client.restore(photo).photo.to_samples(), 255 - pixels)
    first, second = fake.submits
    assert first.idempotency_key == second.idempotency_key


def test_a_daemon_that_ends_at_a_call_is_no_cancel(client, fake, photo):
    fake.cut_submits, fake.cut_code = 2, grpc.StatusCode.CANCELLED
    with pytest.raises(UnavailableError, match="ended at this call"):
        client.restore(photo)


def test_a_daemon_that_stays_away_is_given_up(client, fake, photo, monkeypatch):
    monkeypatch.setattr("ldrps_client._watching._FIRST_PAUSE", 0.001)
    monkeypatch.setattr("ldrps_client._watching._CROWD_SECONDS", 0.2)
    fake.cut_after = [2] + [0] * 10_000
    with pytest.raises(UnavailableError, match="went away before the job was done"):
        client.restore(photo)


def test_a_daemon_that_forgot_the_job(client, fake, photo, monkeypatch):
    fake.cut_after, fake.forget = [2], True
    with pytest.raises((UnavailableError, NotFoundError)):
        client.restore(photo)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("model", ModelError), ("internal", InternalError), ("photo", PhotoError)],
)
def test_a_failed_job_raises_what_it_failed_with(client, fake, photo, reason, kind):
    fake.fail = (reason, "it went wrong")
    with pytest.raises(kind, match="it went wrong"):
        client.restore(photo)


def test_a_full_queue_says_when_to_come_back(client, fake, photo):
    fake.refuse = ("busy", "the queue is full")
    with pytest.raises(BusyError, match="the queue is full") as caught:
        client.restore(photo)
    assert caught.value.retry_after == 7.0


def test_an_unknown_recipe_reaches_no_daemon(client, fake, photo):
    with pytest.raises(SettingsError, match="recipe 'magic'"):
        client.restore(photo, recipe="magic")
    assert not fake.submits


def test_an_interrupt_cancels_the_job(client, fake, photo):
    fake.wait = True

    def interrupt(event):
        if isinstance(event, events.Step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.restore(photo, on_event=interrupt)
    assert fake.cancelled.is_set()


def test_cancel_from_elsewhere_ends_the_wait(client, fake, photo):
    fake.wait = True
    job_id = client.submit(photo)
    timer = threading.Timer(0.1, client.cancel, [job_id])
    timer.start()
    with pytest.raises(CancelledError, match="cancelled by its client"):
        list(client.watch(job_id))
    timer.join()


def test_jobs_and_status(client, photo):
    job_id = client.submit(photo)
    assert client.job(job_id).state == "done"
    assert [job.id for job in client.jobs()] == [job_id]
    assert client.status().workers[0].state == "idle"
    with pytest.raises(NotFoundError):
        client.job("nobody")


def test_every_submit_can_be_distinguished_from_another(client, fake, photo):
    client.submit(photo)
    client.submit(photo, detached=True, batch=True)
    first, second = fake.submits
    assert first.idempotency_key != second.idempotency_key
    assert (first.detached, second.detached) == (False, True)


def test_no_daemon_is_one_sentence(tmp_path, photo):
    with (
        Client(f"unix:{tmp_path}/none", autostart=False) as client,
        pytest.raises(UnavailableError, match="no daemon answers on unix:"),
    ):
        client.restore(photo)


def test_saving_needs_no_source(client, pixels, tmp_path):
    client.restore(pixels).save(tmp_path / "out.tif")
    assert np.array_equal(decode(tmp_path / "out.tif").photo.to_samples(), 255 - pixels)


@pytest.mark.parametrize(
    ("choice", "hint"),
    [
        ({"samples": 3}, r"'samples' is no setting; did you mean the method Client\.variants"),
        ({"look_only": True}, "'look_only' is no setting; did you mean the command 'ldrps diag"),
        ({"recipie": "haze"}, "did you mean recipe?"),
        ({"frobnicate": 1}, r"'frobnicate' is no setting; see docs/reference/settings\.md"),
    ],
)
def test_an_unknown_setting_is_answered_with_the_one_that_is_meant(client, fake, choice, hint):
    pixels = np.zeros((20, 20, 3), np.uint8)
    for call in (client.restore, client.submit):
        with pytest.raises(SettingsError, match=hint):
            call(pixels, **choice)
    assert not fake.submits


def test_a_former_method_names_the_one_of_today(client):
    with pytest.raises(AttributeError, match="'samples'; it is called variants now"):
        client.samples  # noqa: B018
    assert not hasattr(client, "anything")
    with pytest.raises(SettingsError, match="variants is '3'; use 1 to 16"):
        client.variants(np.zeros((20, 20, 3), np.uint8), "3")


def test_what_to_do_is_said_in_the_callers_language(client, photo, ldrps):
    result = client.restore(photo)
    result.save(photo.with_name("in_restored.png"))
    with pytest.raises(OutputError, match=r"choose another name or give force=True$"):
        result.save(photo.with_name("in_restored.png"))
    assert ldrps("restore", photo)[2].endswith("choose another name or use --force\n")
    assert "use --force" in ldrps("restore", photo, "--json")[1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda client, photo: client.jobs("all"), "limit is 'all'; use 1 to 1000"),
        (lambda client, photo: client.jobs(1.5), r"limit is 1\.5; use 1 to 1000"),
        (lambda client, photo: client.variants(photo, 2, seed="x"), "seed is 'x'; use a whole"),
        (lambda client, photo: client.submit(photo, deadline_seconds="1"), "deadline_seconds is"),
        (lambda client, photo: Client(5), "address is 5; give a text"),
        (lambda client, photo: Client("foo:bar"), "'foo:bar' is not understood; give unix:PATH"),
    ],
)
def test_values_of_a_wrong_type_are_refused_in_a_sentence(client, fake, photo, call, words):
    with pytest.raises(SettingsError, match=words):
        call(client, photo)
    assert not fake.submits
