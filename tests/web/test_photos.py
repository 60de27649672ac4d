"""Photos on the page, asked for over HTTP: read, restored, cancelled, saved, refused."""

import asyncio
import errno
import io
import json
import os
import signal
import socket
import stat
import zipfile

import numpy as np
import pytest
from PIL import Image

from ldrps_client.files import decode
from ldrps_client.provenance import read_mark
from ldrps_client.web import _app, _reading
from ldrps_client.web._app import Pages, Parts, _numbered
from ldrps_client.web._gallery import Gallery
from ldrps_client.web._taking import file_name
from ldrps_engine.analysis.inset import diagnose_photo
from web.conftest import left_behind

BUSY = ("waiting", "running")


def pixels_of(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.fixture(scope="module")
def png():
    """A photo file, and its pixels."""
    pixels = np.random.default_rng(5).integers(0, 256, (48, 64, 3), np.uint8)
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    Image.fromarray(pixels).save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


def restored(web, key):
    web.run(key)
    return web.until(key, lambda photo: photo["state"] not in BUSY)


def test_a_photo_is_diagnosed_in_the_words_that_the_command_line_has(web, png, tmp_path):
    photo = web.add("a b.png", png)
    (tmp_path / "same.png").write_bytes(png)
    found = diagnose_photo(decode(tmp_path / "same.png").photo)
    assert photo["words"] == found.words()
    assert ", ".join(photo["findings"]) == found.words().replace("; ", ", ")
    assert (photo["name"], photo["width"], photo["height"]) == ("a b.png", 64, 48)
    assert (photo["state"], photo["needs_work"]) == ("ready", found.needs_work)


def test_the_view_has_every_pixel_of_the_photo(web, png):
    key = web.add("a.png", png)["id"]
    status, headers, data = web.ask(f"api/photos/{key}/before")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    view, photo = pixels_of(data).astype(int), pixels_of(png).astype(int)
    assert view.shape == photo.shape
    # A JPEG of quality 95 without subsampling, of noise as strong as can be.
    assert np.abs(view - photo).mean() < 4


def test_a_result_is_saved_whole_with_its_metadata_and_no_path_of_ours(web, png, tmp_path):
    key = web.add("été.png", png)["id"]
    photo = restored(web, key)
    assert (photo["state"], photo["trouble"]) == ("done", "")
    assert photo["result"]["generated"] == 0.25
    status, headers, data = web.ask(f"api/photos/{key}/result")
    assert status == 200
    assert "attachment" in headers["content-disposition"]
    assert "%C3%A9t%C3%A9_restored.png" in headers["content-disposition"]
    # What the engine of these tests does.
    assert np.array_equal(pixels_of(data), 255 - pixels_of(png))
    saved = tmp_path / "saved.png"
    saved.write_bytes(data)
    with Image.open(saved) as image:
        assert image.getexif()[0x010F] == "Camera"
    mark = read_mark(saved)
    assert mark.derived_from.path == ""
    assert mark.derived_from.pixels.startswith("sha256:")
    assert str(web.folder).encode() not in data
    status, _, view = web.ask(f"api/photos/{key}/after")
    assert np.abs(pixels_of(view).astype(int) - pixels_of(data)).mean() < 4
    small = pixels_of(web.ask(f"api/photos/{key}/small-after")[2]).astype(int)
    before = pixels_of(web.ask(f"api/photos/{key}/small")[2])
    assert np.abs(small + before - 255).mean() < 8


def test_settings_reach_the_daemon(web, daemon, png):
    key = web.add("a.png", png)["id"]
    web.run(key, recipe="haze", strength=0.5, amounts={"noise": 0.25, "haze": 0})
    photo = web.until(key, lambda photo: photo["state"] == "done")
    assert (photo["result"]["recipe"], photo["result"]["strength"]) == ("haze", 0.5)
    newest = daemon.stub.ListJobs(daemon_jobs()).jobs[0].settings
    assert (newest.recipe, newest.strength) == ("haze", 0.5)
    assert (newest.amounts.noise, newest.amounts.haze) == (0.25, 0.0)
    assert not newest.amounts.HasField("light")


def daemon_jobs():
    from ldrps.v1 import restoration_pb2 as pb

    return pb.ListJobsRequest(limit=1)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"recipe": "magic"}, "recipe 'magic' is not known; use one of auto"),
        ({"strength": 2}, "strength is 2; use a value from 0.0 to 1.0"),
        ({"strength": "much"}, "strength is much; give a number"),
        ({"strength": True}, "strength is True; give a number"),
        ({"recipe": 1}, "recipe is 1; give a text"),
        ({"layers": ["pilot"]}, "setting 'layers' is not known here"),
        ({"amounts": {"magic": 1}}, "amount 'magic' is not known; use one of damage"),
        ({"amounts": {"haze": 3}}, "amount haze is 3; use a value from 0.0 to 2.0"),
        ({"amounts": {"haze": "much"}}, "amount haze is 'much'; use a number from 0 to 2"),
        ({"amounts": 1}, "amounts is 1; give numbers by name"),
        ([], "the settings are no JSON object"),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(web, png, body, sentence):
    key = web.add("a.png", png)["id"]
    status, said = web.refused(f"api/photos/{key}/run", "POST", json.dumps(body))
    assert (status, said[: len(sentence)]) == (400, sentence)
    assert web.photo(key)["state"] == "ready"


def test_settings_that_are_no_json_are_refused(web, png):
    key = web.add("a.png", png)["id"]
    for body in (b"{", b"\xff", b"[" * 20_000, b"{" * 70_000):
        assert web.refused(f"api/photos/{key}/run", "POST", body)[0] == 400


def test_a_full_disk_is_reported_in_a_sentence(tmp_path, png, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sentence = f"the page's files in {tmp_path} cannot be kept: no space left on device; make room"
    gallery = Gallery(tmp_path)
    upload = gallery.add("a.png")
    upload.original.write_bytes(png)
    monkeypatch.setattr(_reading, "write_small", full)
    _reading._read(gallery, upload)
    assert upload.state == "refused"
    assert upload.trouble.startswith(sentence)
    upload.results = upload.folder
    monkeypatch.setattr(_app, "_zipped", full)
    pages = Pages(Parts(gallery, None, None, tmp_path, 1))
    answer = asyncio.run(pages.results(None))
    assert answer.status_code == 507
    assert json.loads(answer.body)["error"]["message"].startswith(sentence)


def test_what_is_no_photo_is_called_by_its_own_name(web, png):
    reported = web.add("notes.txt", b"<!DOCTYPE html><p>Hello")
    assert reported["state"] == "refused"
    assert reported["trouble"] == "notes.txt: the file is a web page; fetch the photo itself"
    status, said = web.refused(f"api/photos/{reported['id']}/run", "POST", "{}")
    assert status == 400
    assert said.startswith("notes.txt cannot be restored: ")
    cut = web.add("cut.png", png[:200])
    assert cut["trouble"].startswith("cut.png: it is damaged or incomplete")


def test_an_empty_file_is_refused_and_leaves_nothing(start_web):
    web = start_web()
    status, said = web.refused("api/photos?name=e.jpg", "POST", b"")
    assert (status, said) == (415, "e.jpg is empty; copy the photo again")
    assert web.json("api/photos")[1]["photos"] == []


def test_a_file_that_is_too_large_is_refused_by_what_it_says_and_by_what_comes(start_web):
    web = start_web("--largest", "0.5")
    status, said = web.refused("api/photos?name=big.tif", "POST", bytes(500_001))
    assert status == 413
    assert said.startswith("big.tif has more than the 0.5 MB that this page takes")
    # In chunks, of a length that nobody told.
    chunks = (bytes(100_000) for _ in range(6))
    status, _, data = web.ask("api/photos?name=big.tif", "POST", chunks)
    assert status == 413
    assert json.loads(data)["error"]["message"].startswith("big.tif has more than")
    (folder,) = web.folder.glob("ldrps-web-*")
    assert [path.name for path in folder.iterdir()] == ["lock"]
    assert web.add("fits.bin", bytes(500_000))["state"] == "refused"


def test_a_browser_that_leaves_half_way_leaves_nothing(start_web):
    web = start_web()
    with socket.create_connection((web.at.hostname, web.at.port)) as connection:
        head = f"POST {web.at.path}api/photos?name=h.jpg HTTP/1.1\r\nHost: {web.at.netloc}\r\n"
        connection.sendall(head.encode() + b"Content-Length: 1000\r\n\r\nhalf")
        web.until("", lambda _: len(web.json("api/photos")[1]["photos"]) == 1)
    web.until("", lambda _: web.json("api/photos")[1]["photos"] == [])
    (folder,) = web.folder.glob("ldrps-web-*")
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_nothing_can_be_read_by_others_and_nothing_is_left(start_web, png):
    web = start_web()
    key = web.add("a.png", png)["id"]
    restored(web, key)
    (folder,) = web.folder.glob("ldrps-web-*")
    found = list(folder.rglob("*"))
    assert {path.name for path in found} >= {"original", "before", "after", "small", "lock"}
    for path in (folder, *found):
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path
    assert web.json(f"api/photos/{key}", "DELETE")[0] == 204
    assert [path.name for path in folder.iterdir()] == ["lock"]
    web.add("b.png", png)
    web.stop()
    assert not left_behind(web.folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_nothing_is_left_however_it_is_ended(start_web, png, number):
    web = start_web()
    web.add("b.png", png)
    assert web.stop(number) in (130, 143)
    assert not left_behind(web.folder)


def test_what_a_killed_page_left_goes_with_the_next_one(start_web, png):
    web = start_web()
    web.add("b.png", png)
    (folder,) = web.folder.glob("ldrps-web-*")
    others = web.folder / "ldrps-web-others"
    others.mkdir()
    web.stop(signal.SIGKILL)
    assert folder.is_dir()
    second = start_web()
    assert not folder.exists()
    assert others.is_dir(), "without our lock it is not ours"
    assert second.json("api/photos")[0] == 200


def test_a_restoration_is_cancelled(web, png):
    keys = [web.add(f"{n}.png", png)["id"] for n in range(3)]
    for key in keys:
        assert web.run(key)[0] == 202
    for key in reversed(keys):
        assert web.json(f"api/photos/{key}/cancel", "POST")[0] == 202
    for key in keys:
        photo = web.until(key, lambda photo: photo["state"] not in BUSY)
        assert (photo["trouble"], photo["progress"]) == ("", {})
    # What was cancelled in time has no result, and can be restored again.
    assert restored(web, keys[2])["state"] == "done"


def test_a_photo_may_be_removed_while_it_is_restored(start_web, png):
    web = start_web()
    key = web.add("a.png", png)["id"]
    web.run(key)
    assert web.json(f"api/photos/{key}", "DELETE")[0] == 204
    assert web.refused(f"api/photos/{key}/result")[0] == 404
    (folder,) = web.folder.glob("ldrps-web-*")
    web.until("", lambda _: [path.name for path in folder.iterdir()] == ["lock"])


def test_one_restoration_at_a_time_for_a_photo(web, png):
    key = web.add("a.png", png)["id"]
    answers = [web.run(key)[0] for _ in range(20)]
    assert answers[0] == 202
    assert 400 in answers
    assert web.until(key, lambda photo: photo["state"] == "done")["trouble"] == ""


def test_another_try_takes_the_place_of_the_result(start_web, png):
    web = start_web()
    key = web.add("a.png", png)["id"]
    assert restored(web, key)["result"]["number"] == 1
    assert restored(web, key)["result"]["number"] == 2
    (folder,) = web.folder.glob("ldrps-web-*/*/")
    assert len(list(folder.glob("result-*"))) == 1


def test_all_results_come_as_one_zip_under_names_of_their_own(start_web, png):
    web = start_web()
    assert web.refused("api/results") == (
        404,
        "no photo has a result yet; restore some first",
    )
    for name in ("a.png", "A.png", "b.png"):
        restored(web, web.add(name, png)["id"])
    status, headers, data = web.ask("api/results")
    assert status == 200
    assert 'filename="restored.zip"' in headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["a_restored.png", "A_restored_2.png", "b_restored.png"]
        for name in archive.namelist():
            assert np.array_equal(pixels_of(archive.read(name)), 255 - pixels_of(png))
    (folder,) = web.folder.glob("ldrps-web-*")
    web.until("", lambda _: not list(folder.glob("*.zip")))


def test_a_sidecar_keeps_to_its_photo_in_the_zip(tmp_path):
    assert _numbered(tmp_path / "a.jpg", 2) == "a_2.jpg"
    assert _numbered(tmp_path / "a.b_restored.jpg.xmp", 3) == "a.b_restored_3.jpg.xmp"


def test_a_photo_that_is_gone_is_reported(web):
    for path, method in (("nothing/before", "GET"), ("nothing/run", "POST"), ("nothing", "DELETE")):
        body = "{}" if method == "POST" else None
        status, said = web.refused(f"api/photos/{path}", method, body)
        assert (status, said) == (404, "this photo is no longer on the page; add it again")


def test_files_of_a_photo_are_reached_by_their_names_alone(web, png):
    key = web.add("a.png", png)["id"]
    for name in ("original", "..%2flock", "lock", "after"):
        assert web.ask(f"api/photos/{key}/{name}")[0] == 404


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("", "photo"),
        ("..", "photo"),
        ("a\nb.jpg", "nb.jpg"),
        ("x" * 300 + ".jpeg", "x" * 195 + ".jpeg"),
        (".jpg", ".jpg"),
    ],
)
def test_names_are_names_alone(given, name):
    assert file_name(given) == name


def test_a_daemon_that_goes_away_is_a_sentence_and_the_photo_stays(start_daemon, start_web, png):
    gone = start_daemon()
    web = start_web(address=gone.address)
    key = web.add("a.png", png)["id"]
    gone.stop()
    photo = restored(web, key)
    assert photo["state"] == "ready"
    assert photo["trouble"].startswith(f"no daemon answers on {gone.address}")
    assert web.add("b.png", png)["words"]
    assert web.json(f"api/photos/{key}", "DELETE")[0] == 204
