"""`ldrps immich serve`: what Immich's webhooks tell of is restored once, whatever happens."""

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import uuid

import pytest

from immich.conftest import dark, fine
from ldrps_client.immich._api import FaultError
from ldrps_client.immich._restoring import Outcome
from ldrps_client.immich._state import opened_state
from ldrps_client.immich.serving import Queue
from ldrps_engine.errors import OutputError
from ldrps_engine.settings import Settings
from support.daemon import environment, wait_until

SECRET = "a-secret"


class Serve:
    """One `ldrps immich serve`."""

    def __init__(self, options, secret):
        command = [sys.executable, "-m", "ldrps_client.cli", "immich", "serve", *options]
        command += ["--listen", "127.0.0.1:0", "--secret-file", str(secret)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment()
        )
        self.reported = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        kind, words = self.next()
        assert kind == "listening"
        self.port = int(words.rpartition(":")[2])

    def _read(self):
        with self.process.stdout as lines:
            for line in lines:
                record = json.loads(line)
                self.reported.put((record["event"], record["words"]))

    def next(self):
        """The next thing that it tells: (what, words)."""
        return self.reported.get(timeout=90)

    def post(self, body, secret=SECRET):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Content-Type": "application/json", "X-LDRPS-Secret": secret}
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def created(self, fake, key):
        """Tell of a new asset as Immich 3 does."""
        data = {"asset": fake.assets[key]}
        event = {"type": "AssetV1", "trigger": "AssetCreate", "data": data}
        return self.post(json.dumps(event))

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        self.reader.join()
        return code


@pytest.fixture
def serve(options, tmp_path):
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(SECRET)
    started = []

    def start():
        started.append(Serve(options, secret))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.stop()


def test_a_new_asset_is_restored_and_its_result_is_not(fake, serve):
    serving = serve()
    key = fake.add("a.png", dark(1))
    assert serving.created(fake, key) == (202, "queued\n")
    kind, words = serving.next()
    assert (kind, words.partition(":")[0]) == ("done", "a.png")
    (result,) = fake.named("a_restored.png")
    assert fake.stacks == [[result, key]]
    # Immich tells of that one too; and of the first one again.
    assert serving.created(fake, result)[0] == 202
    assert serving.next() == ("skipped", "a_restored.png: a result already")
    assert serving.created(fake, key)[0] == 202
    good = fake.add("fine.png", fine())
    serving.created(fake, good)
    assert serving.next()[0] == "skipped"
    assert fake.uploads == 1
    assert serving.stop() == 143


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_reported_is_done_after_a_restart(fake, serve, number):
    first = serve()
    # The server is away just when it matters.
    fake.faults["POST", "/stacks"] = [503] * 50
    key = fake.add("a.png", dark(1))
    first.created(fake, key)
    assert first.next() == ("waiting", f"{fake.url} cannot answer now: a fault; try again later")
    first.stop(number)
    fake.faults.clear()
    second = serve()
    assert second.next()[0] == "done"
    (result,) = fake.named("a_restored.png")
    assert fake.stacks == [[result, key]]
    assert fake.uploads == 1


def test_who_does_not_know_the_secret_gets_nowhere(fake, serve):
    serving = serve()
    event = {"data": {"asset": {"id": fake.add("a.png", dark(1))}}}
    for secret in ("", "wrong", SECRET + "x"):
        status, words = serving.post(json.dumps(event), secret)
        assert (status, words) == (401, "the header X-LDRPS-Secret does not hold the secret\n")
    assert ("GET", "/assets/{id}") not in fake.calls


def test_what_is_no_event_is_refused(fake, serve):
    serving = serve()
    for body in ("", "{", "[]", '{"data": {}}', '{"data": {"asset": {"id": "../x"}}}', "[" * 9999):
        assert serving.post(body)[0] == 422
    assert serving.post(b" " * 4_000_001)[0] == 413
    unknown = str(uuid.uuid4())
    assert serving.post(json.dumps({"data": {"asset": {"id": unknown}}}))[0] == 202
    assert serving.next()[0] == "gone"
    assert wait_until(lambda: serving.process.poll() is None, 1)


def test_a_secret_is_made_where_there_is_none(tmp_path):
    from ldrps_client.immich.serving import secret_in

    path = tmp_path / "secret"
    made = secret_in(path)
    assert len(made) > 30
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret_in(path) == made
    with pytest.raises(OutputError, match="with the secret cannot be written: no such file"):
        secret_in(tmp_path / "nowhere" / "secret")


class Scripted:
    """A restorer that does what it is told to, one thing for each call."""

    def __init__(self, *acts):
        self.acts, self.asked = list(acts), []

    def work(self, entry):
        self.asked.append(os.fsdecode(entry.source))
        act = self.acts.pop(0)
        if isinstance(act, Exception):
            raise act
        return act


def queue_of(state, restorer, pauses):
    """A queue that goes on until its restorer has nothing left to do; its pauses are noted."""
    stop, queued, reported = threading.Event(), threading.Event(), []
    stop.wait = pauses.append

    def on_event(kind, words):
        reported.append((kind, words))
        if not restorer.acts:
            stop.set()

    Queue(state, restorer, stop, queued, on_event).run()
    return reported


@pytest.fixture
def state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with opened_state("http://photos.example") as opened:
        for name in ("a", "b"):
            opened.add(name, Settings())
        yield opened


def test_an_asset_at_which_the_server_fails_holds_up_no_other(state):
    fault = FaultError("no file")
    done = Outcome(state="done", name="b", words="light")
    restorer, pauses = Scripted(fault, fault, fault, done), []
    assert queue_of(state, restorer, pauses) == [("failed", "no file"), ("done", "b: light")]
    assert restorer.asked == ["a", "a", "a", "b"]
    assert pauses == [1.0, 2.0]


def test_a_ledger_that_cannot_be_written_for_a_while_ends_nothing(state, monkeypatch):
    claim, faults = state.ledger.claim, [OutputError("the disk is full")] * 2
    monkeypatch.setattr(state.ledger, "claim", lambda: throw(faults.pop()) if faults else claim())
    done = [Outcome(state="done", name=name, words="light") for name in ("a", "b")]
    # Begun, and not to be noted as ended: it is begun again.
    restorer = Scripted(OutputError("the disk is full"), *done)
    monkeypatch.setattr(state.ledger, "end", lambda *_, **__: throw(OutputError("still full")))
    reported, pauses = [], []
    reported = queue_of(state, restorer, pauses)
    assert [kind for kind, _ in reported] == ["waiting", "waiting", "waiting", "done", "done"]
    assert restorer.asked == ["a", "a", "b"]


def throw(error):
    raise error
