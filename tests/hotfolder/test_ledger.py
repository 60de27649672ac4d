"""The ledger: one photo is one entry, whatever is written to it by whom."""

import sqlite3
import threading
from contextlib import closing

import pytest

from ldrps_client.hotfolder.store._entry import Identity, photo_key, settings_digest
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_engine.errors import OutputError
from ldrps_engine.settings import Settings

NOW = Identity(1, 2, 3)
FORMER_KEY = "bb9fdf145bd5f439752cd60c5f98d6b35d789de18310b96c5805b8e147622594"
FORMER_DIGEST = "7cabf3a3ef62638db5bc423d4724fa7b"
"""Key for content "1" with the layers restored and generated, under the latter's former name."""


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


def add(ledger, name, content, settings=None, folder=b""):
    return ledger.add(folder, name, NOW, content, settings or Settings())


def test_one_photo_is_one_entry(ledger):
    first = add(ledger, b"a.jpg", "1")
    assert add(ledger, b"b.jpg", "1", folder=b"sub").key == first.key
    assert ledger.sources(first.key) == [b"a.jpg", b"sub/b.jpg"]
    assert add(ledger, b"a.jpg", "1", Settings(recipe="haze")).key != first.key
    assert ledger.counts() == {"queued": 2}


def test_a_setting_that_a_later_version_adds_changes_no_key(monkeypatch):
    before = photo_key("1", Settings(recipe="haze"))

    def with_another(self):
        return {"recipe": self.recipe, "sparkle": 0.0}

    monkeypatch.setattr(Settings, "as_dict", with_another)
    assert photo_key("1", Settings(recipe="haze")) == before
    assert settings_digest(Settings()) != settings_digest(Settings(recipe="haze"))


def test_what_was_done_under_former_names_stays_done(tmp_path):
    path, settings = tmp_path / "former.sqlite", Settings(layers=("restored", "generated"))
    with closing(Ledger(path)) as ledger:
        key = add(ledger, b"a.jpg", "1", settings).key
        ledger.end(key, "done", diagnosis='{"noise_sigma": 2.0, "haze": 0.75}')
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE photos SET settings = replace(settings, 'generated', 'invented')")
        db.execute("UPDATE photos SET diagnosis = replace(diagnosis, 'haze', 'veil')")
        # As a ledger of that time has them for these settings and this content.
        assert db.execute("SELECT key, settings_digest FROM files").fetchall() == [
            (FORMER_KEY, FORMER_DIGEST)
        ]
        ((kept, figures),) = db.execute("SELECT settings, diagnosis FROM photos").fetchall()
        assert '"invented"' in kept
        assert '"veil"' in figures
    with closing(Ledger(path)) as ledger:
        found = add(ledger, b"a.jpg", "1", settings)
        assert (found.key, found.state) == (FORMER_KEY, "done")
        assert found.settings == settings
        assert found.diagnosis == {"noise_sigma": 2.0, "haze": 0.75}
        assert ledger.counts() == {"done": 1}


def test_settings_with_a_layer_under_its_former_name_have_the_same_digest():
    for name in ("toned", "tone-mapped"):
        settings = Settings(layers=("restored", name))
        # As a ledger of the time when the layer was called toned has it.
        assert settings_digest(settings) == "03213b6bb0e7abd94b26f7cd2093b2e0"


def test_photos_are_claimed_in_turn_and_once(ledger):
    keys = [add(ledger, b"%d" % n, str(n)).key for n in range(3)]
    assert ledger.claim().key == keys[0]
    assert ledger.claim(skip=[keys[1]]).key == keys[2]
    assert ledger.claim().key == keys[1]
    assert ledger.claim() is None


def test_a_file_that_fails_at_once_is_never_seen_queued(ledger):
    ended, claimed = threading.Event(), []

    def work():
        while not ended.is_set():
            if entry := ledger.claim():
                claimed.append(entry.source)
                ledger.drop(entry.key)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for n in range(40):
            why = {"reason": "internal", "message": "a bug"}
            ledger.add_failed(b"", b"f%d" % n, NOW, f"f{n}", Settings(), **why)
            # Dropped by the worker perhaps before this returns, which is no error.
            assert add(ledger, b"q%d" % n, f"q{n}").state == "queued"
    finally:
        ended.set()
        worker.join()
    assert len(ledger.entries("failed")) == 40
    assert all(source.startswith(b"q") for source in claimed)


def test_a_photo_that_goes_back_and_forth_is_never_overlooked(ledger):
    ended, key = threading.Event(), add(ledger, b"a.jpg", "1").key

    def work():
        while not ended.is_set():
            ledger.claim()
            ledger.change(key, state="queued")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert all(ledger.has("queued", "working", "placing") for _ in range(2000))
    finally:
        ended.set()
        worker.join()


def test_an_entry_that_was_dropped_is_not_found(ledger):
    entry = add(ledger, b"a.jpg", "1")
    ledger.drop(entry.key)
    assert ledger.find(entry.key) is None


def test_a_file_with_other_content_is_another_photo(ledger):
    old = add(ledger, b"a.jpg", "1")
    ledger.end(old.key, "failed", reason="photo", message="torn")
    add(ledger, b"a.jpg", "2")
    assert ledger.counts() == {"queued": 1}
    # But a result is not forgotten because its original was edited.
    done = ledger.claim()
    ledger.end(done.key, "done", output_content="x")
    add(ledger, b"a.jpg", "3")
    assert ledger.counts() == {"done": 1, "queued": 1}
    assert ledger.is_output("x")


def test_a_twin_takes_the_place_of_a_file_that_changed(ledger):
    first = add(ledger, b"a.jpg", "1")
    add(ledger, b"twin.jpg", "1")
    add(ledger, b"a.jpg", "2")
    assert ledger.entry(first.key).source == b"twin.jpg"


def test_a_change_that_cannot_be_made_leaves_the_ledger_as_it_was(ledger):
    entry = add(ledger, b"a.jpg", "1")
    with pytest.raises(OutputError, match=r"ledger\.sqlite cannot be used"):
        ledger.change(entry.key, state="done", nonsense=1)
    assert ledger.counts() == {"queued": 1}


def test_a_damaged_ledger_is_one_sentence_with_a_way_out(tmp_path):
    (tmp_path / "ledger.sqlite").write_bytes(b"no ledger" * 1000)
    with pytest.raises(OutputError, match=r"is damaged .*move it away"):
        Ledger(tmp_path / "ledger.sqlite")


def test_a_ledger_is_read_while_another_process_writes(ledger):
    add(ledger, b"a.jpg", "1")
    other = Ledger(ledger.path)
    other.changed_elsewhere()
    assert not other.changed_elsewhere()
    ledger.claim()
    assert other.changed_elsewhere()
    assert other.counts() == {"working": 1}
    other.close()


def test_an_old_entry_with_settings_of_another_version_is_read(ledger):
    entry = add(ledger, b"a.jpg", "1")
    ledger.change(entry.key, settings='{"recipe": "haze", "sparkle": 1, "layers": ["restored"]}')
    assert ledger.entry(entry.key).settings == Settings(recipe="haze")
