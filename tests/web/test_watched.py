"""The hot folder's results on the page, asked for over HTTP: listed, looked at, judged."""

import io
import json
import os
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from PIL import Image

from hotfolder.support import InvertingClient, is_result_of, names, pixels, run_once, write_photo
from ldrps_client.hotfolder.store._state import state_folder
from ldrps_client.web import _watched

AWAY = "ldrps-rejected"


@pytest.fixture(autouse=True)
def state_home(web, monkeypatch):
    """State folder of the page, which all tests share."""
    monkeypatch.setenv("XDG_STATE_HOME", str(web.folder / "state"))


@pytest.fixture
def client():
    return InvertingClient()


@pytest.fixture
def inside(tmp_path):
    return tmp_path / "in"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def watched(inside, out, client, web):
    """A page, and a folder whose photos were restored, but for one that is no photo."""
    write_photo(inside / "a.png", 1)
    write_photo(inside / "sub" / "b.png", 2)
    (inside / "bad.jpg").write_bytes(b"no photo")
    run_once(client, inside, out=out)
    return web


@pytest.fixture
def results(inside):
    """Asks for the results of this test's folder by name."""

    def ask(web):
        reported = web.json("api/watched")[1]["results"]
        here = str(inside) + "/"
        return {result["name"]: result for result in reported if result["source"].startswith(here)}

    return ask


def judge(web, key, verdict):
    return web.json(f"api/watched/{key}", "POST", json.dumps({"verdict": verdict}))[0]


def refusal(web, key, verdict):
    return web.refused(f"api/watched/{key}", "POST", json.dumps({"verdict": verdict}))


def test_nothing_is_reported_where_no_folder_was_watched(start_web):
    answer = start_web().json("api/watched")[1]
    assert (answer["folders"], answer["results"]) == ([], [])


def test_results_are_reported_with_findings_files_and_counts(watched, inside, out, results):
    reported = watched.json("api/watched")[1]
    (folder,) = [each for each in reported["folders"] if each["root"] == str(inside)]
    assert folder["now"] == "not watched"
    counts = {name: folder[name] for name in ("open", "accepted", "rejected", "failed")}
    assert counts == {"open": 2, "accepted": 0, "rejected": 0, "failed": 1}
    found = results(watched)
    assert {name: result["state"] for name, result in found.items()} == {
        "a.png": "open",
        "b.png": "open",
        "bad.jpg": "failed",
    }
    assert found["a.png"]["findings"] == ["noise about 7"]
    assert found["b.png"]["source"] == str(inside / "sub" / "b.png")
    assert found["b.png"]["result"] == str(out / "sub" / "b_restored.png")
    assert found["a.png"]["there"]
    assert found["a.png"]["small"]
    assert "not a photo we can read" in found["bad.jpg"]["trouble"]
    assert watched.json(f"api/watched?since={reported['version']}")[0] == 204


def test_warnings_of_a_photo_are_reported(inside, out, client, web, results):
    write_photo(inside / "a.png", 1)
    (inside / "a.png.xmp").write_text("no XMP at all")
    run_once(client, inside, out=out)
    (warning,) = results(web)["a.png"]["warnings"]
    assert "a.png" in warning


def picture(web, key, which):
    status, headers, data = web.ask(f"api/watched/{key}/{which}")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    return np.asarray(Image.open(io.BytesIO(data))).astype(int)


def test_both_views_have_every_pixel_of_the_files(watched, results):
    key = results(watched)["a.png"]["id"]
    details = watched.json(f"api/watched/{key}")[1]
    assert (details["width"], details["height"], details["kind"]) == (24, 20, "PNG, 8 bit")
    assert (details["trouble"], details["remarks"]) == ("", [])
    # JPEGs of quality 95 without subsampling, of noise as strong as can be.
    assert np.abs(picture(watched, key, "before") - pixels(1)).mean() < 4
    assert np.abs(picture(watched, key, "after") - (255 - pixels(1))).mean() < 4
    assert picture(watched, key, "small").shape == (20, 24, 3)
    # They are made once.
    assert watched.json(f"api/watched/{key}")[1] == details


def test_verdicts_are_taken_and_taken_back(watched, inside, out, client, results):
    originals = {path: path.read_bytes() for path in inside.rglob("*") if path.is_file()}
    found = results(watched)
    first, second = found["a.png"]["id"], found["b.png"]["id"]
    assert judge(watched, first, "accepted") == 204
    assert judge(watched, second, "rejected") == 204
    found = results(watched)
    assert (found["a.png"]["state"], found["b.png"]["state"]) == ("accepted", "rejected")
    assert found["b.png"]["result"] == str(out / AWAY / "sub" / "b_restored.png")
    # It can still be looked at.
    assert np.abs(picture(watched, second, "after") - (255 - pixels(2))).mean() < 4
    run_once(client, inside, out=out)
    assert names(out) == ["a_restored.png", f"{AWAY}/sub/b_restored.png"]
    assert len(client.submits) == 2
    for key in (first, second):
        assert judge(watched, key, "") == 204
    assert {result["state"] for result in results(watched).values()} == {"open", "failed"}
    assert is_result_of(out / "sub" / "b_restored.png", 2)
    assert {path: path.read_bytes() for path in originals} == originals


def test_verdicts_outlive_the_page(watched, start_web, results):
    assert judge(watched, results(watched)["a.png"]["id"], "rejected") == 204
    assert results(start_web(state=watched.folder / "state"))["a.png"]["state"] == "rejected"


def test_a_result_that_was_removed_is_reported_and_cannot_be_judged(watched, out, results):
    key = results(watched)["a.png"]["id"]
    (out / "a_restored.png").unlink()
    assert not results(watched)["a.png"]["there"]
    details = watched.json(f"api/watched/{key}")[1]
    assert "is not there any more" in details["trouble"]
    for verdict in ("accepted", "rejected"):
        status, said = refusal(watched, key, verdict)
        assert (status, said) == (404, details["trouble"])
    # What the report kept of it is shown.
    assert picture(watched, key, "after").shape == (20, 24, 3)
    assert names(out) == ["sub/b_restored.png"]


def test_an_original_that_has_changed_is_not_shown_as_before(watched, inside, results):
    key = results(watched)["a.png"]["id"]
    write_photo(inside / "a.png", 9)
    details = watched.json(f"api/watched/{key}")[1]
    (remark,) = details["remarks"]
    assert "has been moved or changed since it was restored" in remark
    assert details["trouble"] == ""
    # The small picture, kept when it was restored.
    before = picture(watched, key, "before").mean(2).ravel()
    likeness = [np.corrcoef(before, pixels(n).mean(2).ravel())[0, 1] for n in (1, 9)]
    # JPEG's colours are coarse; another photo of noise has nothing of it.
    assert likeness[0] > 0.8
    assert likeness[1] < 0.2
    assert judge(watched, key, "accepted") == 204


def test_views_follow_their_files_and_do_not_pile_up(
    watched, inside, out, client, monkeypatch, results
):
    key = results(watched)["a.png"]["id"]
    number = watched.json(f"api/watched/{key}")[1]["number"]
    os.utime(out / "a_restored.png", ns=(1, 1))
    assert watched.json(f"api/watched/{key}")[1]["number"] > number
    for number in range(20, 20 + _watched._KEPT + 3):
        write_photo(inside / f"{number}.png", number)
    run_once(client, inside, out=out)
    for result in results(watched).values():
        if result["state"] == "open":
            watched.json(f"api/watched/{result['id']}")
    (folder,) = watched.folder.glob("ldrps-web-*")
    views = list(folder.glob("watched-*"))
    assert len(views) == _watched._KEPT
    assert {path.stat().st_mode & 0o77 for each in views for path in (each, *each.iterdir())} == {0}


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("nothing/nothing", {"verdict": "accepted"}, 404, "this folder has no ledger in "),
        ("{folder}/nothing", {"verdict": "accepted"}, 404, "this result is not known any more"),
        ("{folder}/{failed}", {"verdict": "rejected"}, 404, "this result is not known any more"),
        ("{folder}/{key}", {"verdict": "magic"}, 400, "verdict is magic; use accepted, rejected"),
        ("{folder}/{key}", {"verdict": 1}, 400, "verdict is 1; use accepted, rejected or ''"),
        ("{folder}/{key}", {}, 400, "verdict is None; use accepted, rejected or ''"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_sentence(
    watched, path, body, status, sentence, results
):
    found = results(watched)
    folder, key = found["a.png"]["id"].split("/")
    failed = found["bad.jpg"]["id"].split("/")[1]
    where = f"api/watched/{path.format(folder=folder, key=key, failed=failed)}"
    answer = watched.refused(where, "POST", json.dumps(body))
    assert answer[0] == status
    assert answer[1].startswith(sentence)


def test_files_of_a_result_are_reached_by_their_names_alone(watched, results):
    key = results(watched)["a.png"]["id"]
    for name in ("original", "..%2flock", "ledger.sqlite", "x"):
        assert watched.ask(f"api/watched/{key}/{name}")[0] == 404


def test_one_photo_in_two_folders_has_views_of_each_result(watched, tmp_path, client, results):
    key = results(watched)["a.png"]["id"]
    other, out = tmp_path / "other", tmp_path / "other-out"
    write_photo(other / "a.png", 1)
    run_once(client, other, out=out)
    same = key.replace(key.split("/")[0], state_folder(other.resolve()).path.name)
    assert watched.json(f"api/watched/{same}")[1]["trouble"] == ""
    (out / "a_restored.png").unlink()
    assert "is not there" in watched.json(f"api/watched/{same}")[1]["trouble"]
    assert watched.json(f"api/watched/{key}")[1]["trouble"] == ""
    assert picture(watched, key, "after").shape == (20, 24, 3)


def test_a_ledger_that_is_damaged_keeps_no_other_folder_from_the_page(
    watched, tmp_path, out, client
):
    other = tmp_path / "other"
    write_photo(other / "c.png", 3)
    run_once(client, other, out=tmp_path / "other-out")
    ledger = state_folder(other.resolve()).ledger
    ledger.write_bytes(b"no database at all" * 100)
    reported = watched.json("api/watched")[1]
    ledger.unlink()
    (trouble,) = [folder["trouble"] for folder in reported["folders"] if "trouble" in folder]
    assert "is damaged" in trouble
    assert "a.png" in {result["name"] for result in reported["results"]}


def test_a_ledger_that_is_locked_is_reported(watched, inside, monkeypatch, results):
    """Another program holds the lock: ours do so for moments."""
    monkeypatch.setattr("ldrps_client.hotfolder.store._ledger._WAIT_SECONDS", 0.1)
    key = results(watched)["a.png"]["id"]
    folder, name = key.split("/")
    mine = _watched.Watched(watched.folder)
    path = state_folder(inside.resolve()).ledger
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(
            _watched.LdrpsError, match=r"the ledger .* cannot be used \(database is lo"
        ):
            mine.judge(folder, name, "rejected")
    assert results(watched)["a.png"]["state"] == "open"
    assert judge(watched, key, "rejected") == 204
