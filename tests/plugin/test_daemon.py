"""The plug-in's side of the daemon, without GIMP: jobs, reconnection, errors."""

import contextlib
import signal
import socket
import threading
from pathlib import Path

import pytest

from ldrps.v1.restoration_pb2 import JOB_STATE_CANCELLED
from ldrps_gimp import endpoint
from ldrps_gimp.choices import Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.endpoint import Endpoint
from ldrps_gimp.errors import CancelledError, RestoreError
from ldrps_gimp.grpc_call import RpcError
from plugin import grpc_server
from support.daemon import wait_until

ROOT = Path(__file__).parents[2]
SIDE = 20
PIXELS = bytes(range(200)) * 6
RASTER = {"width": SIDE, "height": SIDE, "channels": 3, "sample_type": 1}


def client(address, idle=lambda: None):
    return Daemon(Endpoint(address, chosen=True), idle)


def submit(daemon, **choices):
    header = {"settings": Choices(**choices).to_message(), "raster": RASTER}
    return daemon.submit(header, lambda: [PIXELS[:500], PIXELS[500:]])


def at_each_step(ours, job, do):
    for event in ours.watch(job):
        if "step" in event:
            do()


def restored(events):
    return b"".join(event["layer_chunk"]["data"] for event in events if "layer_chunk" in event)


@pytest.fixture
def ours(daemon):
    made = client(daemon.address)
    yield made
    made.close()


def test_amounts_that_are_chosen_are_sent_and_no_others():
    chosen = Choices(amount_noise=0.5, amount_cast=0.0).to_message()
    assert chosen["amounts"] == {"noise": 0.5, "cast": 0.0}
    assert "amounts" not in Choices().to_message()


@pytest.mark.parametrize("amount", [2.5, -0.5, float("nan")])
def test_an_amount_out_of_range_is_refused_by_name(amount):
    with pytest.raises(RestoreError) as caught:
        Choices(amount_haze=amount)
    assert f"amount-haze is {amount}; use a value from 0" in str(caught.value)


def test_a_photo_there_and_back(ours):
    events = list(ours.watch(submit(ours, seed=3, strength=0.5, description="a bridge")))
    numbers = [event["number"] for event in events if "preview" not in event]
    assert numbers == list(range(1, len(numbers) + 1))
    assert restored(events) == bytes(255 - value for value in PIXELS)
    (text,) = [event["description"]["text"] for event in events if "description" in event]
    assert text == "a bridge"
    assert [event["preview"]["raster"]["width"] for event in events if "preview" in event]


def test_status_and_models(ours):
    assert ours.is_serving()
    assert ours.status()["running"] == 0
    assert "bundled" in ours.models()


@pytest.mark.parametrize("word", ["die", "raise", "refuse", "memory"])
def test_what_a_job_fails_with_is_a_sentence(ours, word):
    with pytest.raises(RestoreError) as caught:
        list(ours.watch(submit(ours, description=word)))
    assert (caught.value.reason == "model") == (word == "refuse")
    assert str(caught.value)[0].isupper()
    assert str(caught.value).endswith(".")


def test_what_is_refused_is_a_sentence(ours):
    with pytest.raises(RestoreError, match=r"Larger|at most|takes"):
        ours.submit({"raster": {**RASTER, "width": 70000}}, lambda: [])
    with pytest.raises(RestoreError) as caught:
        list(ours.watch("nothing"))
    assert caught.value.reason == "not-found"


def test_a_cancel_from_elsewhere_and_from_here(ours, daemon):
    job = submit(ours, description="forever")
    with pytest.raises(CancelledError):
        at_each_step(ours, job, lambda: daemon.cancel(job))
    job = submit(ours, description="forever")
    for event in ours.watch(job):
        if "step" in event:
            break
    ours.cancel(job)
    assert wait_until(lambda: daemon.job(job).state == 5)


def test_idle_may_break_off_at_any_time(daemon):
    turns = []

    def idle():
        turns.append(1)
        if len(turns) > 20:
            raise CancelledError

    ours = client(daemon.address, idle)
    with pytest.raises(CancelledError):
        list(ours.watch(submit(ours, description="forever")))
    ours.close()
    assert daemon.restores()


def test_a_broken_connection_is_mended_where_it_broke(ours, daemon):
    events = []
    for event in ours.watch(submit(ours, steps=40)):
        events.append(event)
        if event.get("step", {}).get("index") == 10:
            ours._connection._socket.shutdown(2)
    numbers = [event["number"] for event in events if "preview" not in event]
    assert numbers == list(range(1, len(numbers) + 1))
    assert restored(events) == bytes(255 - value for value in PIXELS)


def test_a_submit_whose_answer_is_lost_is_repeated_and_makes_one_job(ours, daemon):
    made = []

    def pixels():
        made.append(1)
        yield PIXELS[:500]
        if len(made) == 1:
            ours._connection._socket.shutdown(2)
        yield PIXELS[500:]

    job = ours.submit({"settings": Choices().to_message(), "raster": RASTER}, pixels)
    assert len(made) == 2
    assert "done" in list(ours.watch(job))[-1]


def test_what_a_daemon_cuts_off_as_it_ends_is_done_again(ours, monkeypatch):
    """gRPC ends such calls as CANCELLED, which is nobody's wish."""
    cut = {"_submit_once": ours._submit_once, "_watch_once": ours._watch_once}

    def once(name):
        def fails(*_):
            monkeypatch.setattr(ours, name, cut[name])
            raise RpcError("CANCELLED", "CANCELLED")

        return fails

    for name in cut:
        monkeypatch.setattr(ours, name, once(name))
    assert restored(ours.watch(submit(ours))) == bytes(255 - value for value in PIXELS)


def test_a_daemon_that_goes_away_is_reported(ours, daemon):
    job = submit(ours, description="forever")
    with pytest.raises(RestoreError) as caught:
        at_each_step(ours, job, lambda: daemon.stop(signal.SIGKILL))
    assert caught.value.reason == "unavailable"
    assert "ldrps serve" in str(caught.value)


def test_another_try_does_not_wait_for_the_one_that_was_lost(start_daemon):
    """A daemon that is restarted takes up the job that nobody wants any more."""
    daemon = start_daemon()
    lost = client(daemon.address)
    job = submit(lost, description="forever")
    with pytest.raises(RestoreError) as caught:
        at_each_step(lost, job, lambda: daemon.stop(signal.SIGKILL))
    assert caught.value.reason == "unavailable"
    lost.abandon(job)
    daemon.__init__(daemon.folder, address=daemon.address)
    another = submit(lost)
    assert daemon.job(job).state == JOB_STATE_CANCELLED
    assert restored(lost.watch(another))
    lost.close()


def test_tcp_wants_the_token(start_daemon, tmp_path, monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        unused_port = probe.getsockname()[1]
    folder = tmp_path / "ldrps"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    address = f"127.0.0.1:{unused_port}"
    start_daemon(address=address, token_file=folder / "token")
    ours = client(address)
    assert ours.status()["pid"]
    (folder / "token").write_text("wrong")
    with pytest.raises(RestoreError, match="token"):
        ours.status()
    ours.close()


def listening(folder, family=socket.AF_UNIX, where=None):
    """A listener that is not the daemon, and everything sent to it."""
    listener, heard = socket.socket(family), []
    listener.bind(where or str(folder / "s"))
    listener.listen()

    def hear():
        with contextlib.suppress(OSError):
            while True:
                guest, _ = listener.accept()
                with guest:
                    guest.settimeout(2)
                    while data := guest.recv(4096):
                        heard.append(data)

    threading.Thread(target=hear, daemon=True).start()
    return listener, heard


@pytest.mark.parametrize("certified", [True, False])
def test_the_token_goes_to_nobody_but_the_daemon(tmp_path, monkeypatch, certified):
    """Somebody holds the port while the daemon is down."""
    from ldrps_daemon.transport.certificate import own_context
    from ldrps_daemon.transport.tokens import read_token

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    token = read_token(tmp_path / "ldrps" / "token")
    if certified:
        own_context(tmp_path / "ldrps" / "token")
    listener, heard = listening(tmp_path, socket.AF_INET, ("127.0.0.1", 0))
    ours = client(f"127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(RestoreError):
        ours.status()
    ours.close()
    listener.close()
    assert bool(heard) == certified
    assert token.encode() not in b"".join(heard)


def test_one_with_another_certificate_is_not_the_daemon(tmp_path, monkeypatch):
    from ldrps_daemon.transport.certificate import own_context
    from ldrps_daemon.transport.tokens import read_token

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    read_token(tmp_path / "ldrps" / "token")
    own_context(tmp_path / "ldrps" / "token")
    server, port = grpc_server.start(
        "127.0.0.1:0", grpc_server.credentials(tmp_path / "other" / "token")
    )
    ours = client(f"127.0.0.1:{port}")
    with pytest.raises(RestoreError, match="does not prove to be your daemon"):
        ours.status()
    with pytest.raises(RestoreError, match="does not prove to be your daemon"):
        ours.ensure_running()
    server.stop(0).wait()


def test_a_socket_of_somebody_else_is_not_spoken_to(tmp_path, monkeypatch):
    listener, heard = listening(tmp_path)
    monkeypatch.setattr(endpoint, "is_ours", lambda sock: False)
    with pytest.raises(RestoreError, match="does not prove to be your daemon"):
        client(f"unix:{tmp_path}/s").status()
    monkeypatch.undo()
    tmp_path.chmod(0o777)
    with pytest.raises(RestoreError, match="not safe from other users"):
        client(f"unix:{tmp_path}/s").status()
    tmp_path.chmod(0o700)
    listener.close()
    assert not heard


def test_a_full_queue_is_waited_for(tmp_path):
    """Its kernel takes no connection more until somebody there accepts one."""
    path, crowd = str(tmp_path / "s"), []
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(path)
        busy.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                crowd.append(socket.socket(socket.AF_UNIX))
                crowd[-1].setblocking(False)
                crowd[-1].connect(path)
        assert Endpoint(f"unix:{path}", chosen=True).is_listening()
        accepting = threading.Timer(0.5, lambda: crowd.append(busy.accept()[0]))
        accepting.start()
        crowd.append(client(f"unix:{path}")._connected())
        accepting.join()
    for each in crowd:
        each.close()


def test_both_clients_know_the_same_choices():
    from ldrps_engine import settings
    from ldrps_gimp import choices

    assert choices.RECIPES == settings.RECIPES
    assert choices.MAX_DESCRIPTION == settings.MAX_DESCRIPTION
    assert choices.MAX_RECURRENCES == settings.MAX_RECURRENCES
    assert choices.MAX_STEPS == settings.MAX_STEPS


def test_a_blocked_server_does_not_block_idle(tmp_path):
    """A server that accepts and says nothing."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    stop = threading.Timer(0.3, lambda: None)
    stop.start()

    def idle():
        if not stop.is_alive():
            raise CancelledError

    ours = client(f"unix:{tmp_path}/s", idle)
    with pytest.raises(CancelledError):
        ours.status()
    ours.close()
    listener.close()
    stop.join()
