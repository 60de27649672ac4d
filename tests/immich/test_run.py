"""`ldrps immich run`: an album, in a server that checks every request against the published API."""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from immich.conftest import dark, fine
from ldrps_client.cli import main
from ldrps_client.immich._api import address_of
from ldrps_engine.errors import SettingsError


def pixels_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def states(records):
    return {record["name"]: record["state"] for record in records}


@pytest.fixture
def summer(fake):
    """An album with two dark photos, a good one and a film."""
    keys = {
        "a.png": fake.add("a.png", dark(1)),
        "b.png": fake.add("b.png", dark(2), visibility="archive"),
        "fine.png": fake.add("fine.png", fine()),
        "film.mp4": fake.add("film.mp4", b"film", kind="VIDEO"),
    }
    fake.album("Winter", fake.add("other.png", dark(9)))
    fake.album("Summer", *keys.values())
    return keys


def test_what_needs_it_is_restored_and_lies_on_its_original(fake, run, summer):
    before = dict(fake.files)
    code, records, said = run()
    assert (code, said) == (0, "")
    assert states(records) == {"a.png": "done", "b.png": "done", "fine.png": "skipped"}
    for name in ("a.png", "b.png"):
        (result,) = fake.named(name.replace(".", "_restored."))
        original = summer[name]
        assert np.array_equal(pixels_of(fake.files[result]), 255 - pixels_of(before[original]))
        assert [result, original] in fake.stacks
        made, of = fake.assets[result], fake.assets[original]
        assert [tag["value"] for tag in made["tags"]] == ["restored"]
        for field in ("fileCreatedAt", "fileModifiedAt", "visibility"):
            assert made[field] == of[field]
    # Nothing that was there has changed.
    assert {key: fake.files[key] for key in before} == before
    (album,) = [each for each in fake.albums.values() if each["albumName"] == "Summer"]
    assert len(album["assets"]) == 6


def test_a_second_run_does_nothing_and_never_its_own_results(fake, run, summer):
    run()
    calls = len(fake.calls)
    code, records, _ = run()
    assert code == 0
    # Its results are in the album too by now.
    assert set(states(records).values()) == {"skipped"}
    assert all(record["words"] == "a result already" for record in records)
    assert ("POST", "/assets") not in fake.calls[calls:]
    assert fake.uploads == 2


@pytest.mark.parametrize("tagged", [True, False])
def test_a_ledger_that_was_lost_restores_no_result(fake, run, summer, tagged):
    run()
    shutil.rmtree(Path(os.environ["XDG_STATE_HOME"]) / "ldrps")
    results = [key for name in ("a_restored.png", "b_restored.png") for key in fake.named(name)]
    if not tagged:
        for key in results:
            fake.assets[key]["tags"] = []
    _, records, _ = run()
    found = states(records)
    assert found["a_restored.png"] == found["b_restored.png"] == "skipped"
    assert not fake.named("a_restored_restored.png")


def test_a_tag_asks_for_it_whatever_is_found(fake, run, summer):
    run()
    fake.tag("restore", summer["fine.png"])
    _, records, _ = run()
    assert states(records)["fine.png"] == "done"
    assert fake.named("fine_restored.png")
    assert fake.uploads == 3


def test_settings_and_tags_are_the_users(fake, run, daemon, summer):
    code, records, _ = run("--recipe", "haze", "--strength", "0.5", "--tag", "ours")
    assert code == 0
    # A recipe that says what is wrong is believed.
    assert set(states(records).values()) == {"done"}
    assert "ours" in fake.tags
    newest = daemon.stub.ListJobs(list_jobs()).jobs[0].settings
    assert (newest.recipe, newest.strength) == ("haze", 0.5)


def list_jobs():
    from ldrps.v1 import restoration_pb2 as pb

    return pb.ListJobsRequest(limit=1)


@pytest.mark.parametrize("call", [("POST", "/assets"), ("PUT", "/tags"), ("POST", "/stacks")])
def test_a_server_that_fails_in_between_gets_nothing_twice(fake, run, summer, call):
    fake.faults[call] = [503]
    code, records, said = run()
    assert code == 7
    assert said == f"{fake.url} cannot answer now: a fault; try again later"
    assert records == []
    (staged,) = Path(os.environ["XDG_STATE_HOME"]).glob("ldrps/immich/*/uploads/*")
    bytes_before = (staged / "a_restored.png").read_bytes()
    code, records, _ = run()
    assert code == 0
    assert states(records)["a.png"] == "done"
    (result,) = fake.named("a_restored.png")
    assert fake.files[result] == bytes_before
    assert [result, summer["a.png"]] in fake.stacks
    assert fake.uploads == 2
    assert not staged.exists()


def test_a_photo_at_which_the_server_fails_is_reported_and_the_others_go_on(fake, run, summer):
    # What Immich answers where its disk has lost the file.
    fake.faults["GET", "/assets/{id}/original"] = [500]
    code, records, said = run()
    assert code == 7
    assert said == f"{fake.url} fails at /api/assets/{summer['a.png']}/original: a fault"
    assert states(records) == {"a.png": "failed", "b.png": "done", "fine.png": "skipped"}
    assert states(run()[1])["a.png"] == "done"


def test_a_server_that_fails_at_everything_ends_it(fake, run, summer, monkeypatch):
    # As while its database is away, which it is from the first photo on.
    def failing(key, _):
        fake.faults["GET", "/users/me"] = [500]
        return 500, {"message": "a fault"}

    with monkeypatch.context() as patch:
        patch.setattr(fake, "_get_assets_id_original", failing)
        assert run() == (7, [], f"{fake.url} fails at /api/users/me: a fault; try again later")
    assert set(states(run()[1]).values()) == {"done", "skipped"}


def test_what_a_crash_left_staged_of_finished_work_is_removed(fake, run, summer, monkeypatch):
    monkeypatch.setattr("ldrps_client.immich._state.ImmichState.drop", lambda *_: None)
    run()
    folder = Path(os.environ["XDG_STATE_HOME"]) / "ldrps" / "immich"
    assert list(folder.glob("*/uploads/*"))
    assert run()[0] == 0
    assert fake.uploads == 2
    assert not list(folder.glob("*/uploads/*"))


def test_a_broken_photo_is_reported_and_the_others_go_on(fake, run, summer):
    fake.files[summer["a.png"]] = b"no photo"
    code, records, said = run()
    assert code == 3
    assert said.startswith("a.png: the file is not a photo we can read")
    assert states(records) == {"a.png": "failed", "b.png": "done", "fine.png": "skipped"}
    fake.files[summer["a.png"]] = dark(1)
    assert states(run()[1])["a.png"] == "done"


def test_an_asset_that_has_gone_meanwhile_is_no_trouble(fake, run, summer, monkeypatch):
    monkeypatch.setattr(fake, "_get_assets_id_original", lambda key, _: gone(fake, key, summer))
    code, records, _ = run()
    assert code == 0
    assert states(records)["a.png"] == "gone"
    assert states(records)["b.png"] == "done"


def gone(fake, key, summer):
    if key == summer["a.png"]:
        return 400, {"message": "Not found or no asset.download access"}
    return 200, fake.files[key]


@pytest.mark.parametrize(
    ("album", "code", "sentence"),
    [
        ("Spring", 9, "{url} has no album 'Spring'; check its name"),
        ("Twice", 2, "{url} has 2 albums 'Twice'; give one another name"),
    ],
)
def test_an_album_has_to_be_there_once(fake, run, album, code, sentence):
    fake.album("Twice")
    fake.album("Twice")
    assert run(album=album) == (code, [], sentence.format(url=fake.url))


def test_a_wrong_key_is_reported(fake, run, key_file, summer):
    key_file.write_text("wrong")
    code, _, said = run()
    assert code == 12
    assert said.startswith(f"{fake.url} does not take the API key (Invalid API key); make one")


def test_other_servers_are_reported(fake, run, monkeypatch):
    fake.version = {"major": 2, "minor": 7, "patch": 5}
    assert run()[::2] == (7, f"{fake.url} is Immich 2.7.5; it takes 3.0 or later")
    monkeypatch.setattr(fake, "_get_server_version", lambda *_: (200, b"<html>"))
    assert run()[::2] == (7, f"{fake.url} answers what is no JSON; check the address")
    for status, said in ((200, {}), (404, {"message": "Cannot GET"})):
        answer = status, said
        monkeypatch.setattr(fake, "_get_server_version", lambda *_, answer=answer: answer)
        assert run()[::2] == (7, f"{fake.url} answers what Immich 3 does not; check the address")


def test_a_server_that_is_away_is_reported(options, capsys):
    options[1] = "http://127.0.0.1:9"
    assert main(["immich", "run", "--album", "x", *options]) == 7
    assert "Immich at http://127.0.0.1:9 does not answer (" in capsys.readouterr().err


def test_the_key_is_kept_from_others(options, key_file, capsys):
    for mode, text, sentence in (
        (0o644, "key", f"{key_file} with the API key may be read by others; run chmod 600"),
        (0o600, "", f"{key_file} holds no API key; write it there"),
        (0o600, "two words", f"{key_file} holds no API key; write it there"),
    ):
        key_file.write_text(text)
        key_file.chmod(mode)
        assert main(["immich", "run", "--album", "x", *options]) == 2
        assert sentence in capsys.readouterr().err
    key_file.unlink()
    assert main(["immich", "run", "--album", "x", *options]) == 2
    assert f"{key_file} with the API key cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["run"], "run needs an album; name it with --album"),
        (["serve", "--album", "x"], "--album is for run"),
        (["run", "--album", "x", "--listen", "0:1"], "--listen and --secret-file are for serve"),
        (["run", "--album", "x", "--tag", "restore"], "tag and wanted-tag are the same"),
        (["run", "--album", "x", "--tag", " "], "tag is empty"),
        (["run", "--album", "x", "--recipe", "magic"], "recipe 'magic' is not known"),
        (["serve", "--listen", "here"], "listen is 'here'; give HOST:PORT"),
    ],
)
def test_options_that_do_not_fit_are_reported(options, capsys, more, sentence):
    assert main(["immich", *more, *options]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("https://photos.example/", "https://photos.example"),
        ("http://host:2283/api", "http://host:2283"),
        ("https://host/immich/api/", "https://host/immich"),
    ],
)
def test_addresses_are_taken_as_people_write_them(given, address):
    assert address_of(given) == address


@pytest.mark.parametrize(
    "given",
    [
        *("photos.example", "ftp://x", "http://", "http://u:p@x", "http://x:y", "http://x?a=1"),
        "http://[x",
    ],
)
def test_what_is_no_address_is_reported(given):
    with pytest.raises(SettingsError, match="is none of Immich; give https://HOST"):
        address_of(given)


def test_two_at_a_time_do_not_meet(fake, run, options, summer, monkeypatch):
    from ldrps_client.immich._state import opened_state

    with opened_state(fake.url):
        code, _, said = run()
    assert code == 5
    assert said == f"{fake.url} is worked for already; wait for the other 'ldrps immich', or end it"


def test_the_key_goes_to_no_other_server(fake, run, monkeypatch):
    moved = json.dumps({}).encode()
    monkeypatch.setattr(fake, "_get_server_version", lambda *_: (302, moved))
    code, _, said = run()
    assert code == 7
    assert "give Immich's own address" in said
    assert fake.calls == [("GET", "/server/version")]
