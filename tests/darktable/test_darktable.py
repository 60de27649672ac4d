"""Restoring from the lighttable of a real darktable: what is in its library and in the files."""

import json
import subprocess

import numpy as np
import pytest
import tifffile
from PIL import Image

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.settings import RECIPES
from support.daemon import ROOT, wait_until

SECONDS = 120
RUNNING, CANCELLED = pb.JOB_STATE_RUNNING, pb.JOB_STATE_CANCELLED
TAKEN = "2019:05:04 03:02:01"
IMPORT = """local photo = dt.database.import('{path}')
dt.control.sleep(500)  -- darktable 5 empties the selection a little after a collection changed
dt.gui.selection({{photo}}) """
PREFER = "dt.preferences.write('ldrps', '{name}', '{kind}', {value}) "
GROUP = """
SELECT i.filename, i.id = i.group_id, i.flags & 7 FROM images i WHERE i.group_id =
(SELECT group_id FROM images WHERE filename = ?) ORDER BY i.id"""


def photo_in(app, name, size=(64, 48)):
    """A photo with a capture time; darker to the left."""
    path = app.folder / "photos" / name
    row = np.linspace(40, 200, size[0]).astype(np.uint8)
    pixels = np.repeat(np.tile(row, (size[1], 1))[..., None], 3, axis=2)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = TAKEN
    Image.fromarray(pixels).save(path, quality=95, exif=exif)
    return path


def ended(app, word="restored"):
    """Return what our script said until one of its messages had a word."""
    said = lambda: [line for line in app.log().splitlines() if "LD-RPS: " in line]  # noqa: E731
    has_ended = lambda: any(word in line for line in said()[app.read :])  # noqa: E731
    assert wait_until(has_ended, SECONDS), app.log()[-3000:]
    fresh = [line.partition("LD-RPS: ")[2] for line in said()[app.read :]]
    app.read += len(fresh)
    return fresh


@pytest.fixture(autouse=True)
def _fresh(app):
    app.read = sum("LD-RPS: " in line for line in app.log().splitlines())
    app.do(PREFER.format(name="leader", kind="bool", value="false"))


def jobs(daemon):
    return daemon.stub.ListJobs(pb.ListJobsRequest(), timeout=30).jobs


def restore(app):
    """Restore as the button and the shortcut do."""
    app.send("require('ldrps/ldrps').restore_selected() return 'done'")


def exif(path):
    done = subprocess.run(["exiftool", "-j", "-G1", path], capture_output=True, check=True)
    return json.loads(done.stdout)[0]


def test_a_photo_is_restored_and_lies_in_a_group_with_its_original(app):
    path = photo_in(app, "one.jpg")
    app.do(
        IMPORT.format(path=path)
        + "dt.tags.attach(dt.tags.create('places|paris'), photo) photo.rating = 4 "
        "photo.red = true photo.purple = true photo.title = 'A title' photo.creator = 'Ann' "
        "photo.latitude = 48.5 photo.longitude = 2.25 return 'set'"
    )
    # darktable writes them in its own time.
    written = lambda: 'Rating="4"' in sidecar.read_text() and "paris" in sidecar.read_text()  # noqa: E731
    sidecar = path.with_name("one.jpg.xmp")
    assert wait_until(lambda: sidecar.exists() and written(), 30)
    restore(app)
    assert ended(app) == ["1 of 1 restored"]
    result = path.with_name("one_restored.tif")
    # The original is the head of the group; both have four stars.
    assert app.rows(GROUP, "one.jpg") == [("one.jpg", 1, 4), (result.name, 0, 4)]
    for query in (
        "SELECT color FROM color_labels WHERE imgid = ? ORDER BY color",
        "SELECT key, value FROM meta_data WHERE id = ? AND key IN (0, 2) ORDER BY key",
        "SELECT name FROM tagged_images t JOIN data.tags d ON t.tagid = d.id "
        "WHERE imgid = ? AND name NOT LIKE 'darktable|%' ORDER BY name",
        "SELECT datetime_taken, latitude, longitude FROM images WHERE id = ?",
    ):
        one, other = (app.rows(query, image) for (image,) in app.rows(
            "SELECT id FROM images WHERE filename IN ('one.jpg', 'one_restored.tif')"))  # fmt: skip
        assert one, query
        assert one == other, query
    reported = exif(result)
    assert reported["ExifIFD:DateTimeOriginal"] == TAKEN
    assert reported["XMP-xmp:Rating"] == 4
    assert "paris" in reported["XMP-dc:Subject"]
    assert reported["IFD0:BitsPerSample"] == "16 16 16"
    assert "rec2020" in reported["ICC_Profile:ProfileDescription"].lower().replace(" ", "")
    assert wait_until(lambda: not list(app.folder.glob("cache/ldrps-*")), 5)


def test_the_result_is_what_the_daemon_made_of_the_photo(app):
    path = photo_in(app, "two.jpg")
    app.do(IMPORT.format(path=path) + "return 'there'")
    restore(app)
    assert ended(app) == ["1 of 1 restored"]
    pixels = tifffile.imread(path.with_name("two_restored.tif"))
    assert pixels.shape == (48, 64, 3)
    # The engine behind these tests inverts: what was dark to the left is bright there.
    assert pixels[:, :8].mean() > pixels[:, -8:].mean() + 10000


def test_the_result_becomes_the_head_of_the_group_on_request(app):
    path = photo_in(app, "three.jpg")
    app.do(IMPORT.format(path=path) + PREFER.format(name="leader", kind="bool", value="true"))
    restore(app)
    assert ended(app) == ["1 of 1 restored"]
    assert [row[:2] for row in app.rows(GROUP, "three.jpg")] == [
        ("three.jpg", 0),
        ("three_restored.tif", 1),
    ]


def test_a_file_that_has_the_results_name_stays_and_the_result_gets_a_number(app):
    path = photo_in(app, "four.jpg")
    other = path.with_name("four_restored.tif")
    other.write_bytes(b"not ours")
    app.do(IMPORT.format(path=path) + "return 'there'")
    restore(app)
    assert ended(app) == ["1 of 1 restored"]
    assert other.read_bytes() == b"not ours"
    assert [row[0] for row in app.rows(GROUP, "four.jpg")] == ["four.jpg", "four_restored_2.tif"]


def test_a_photo_whose_file_is_gone_is_reported_and_the_rest_is_restored(app):
    gone, there = photo_in(app, "gone.jpg"), photo_in(app, "there.jpg")
    app.do(
        f"local a = dt.database.import('{gone}') local b = dt.database.import('{there}') "
        "dt.gui.selection({a, b}) return 'there'"
    )
    gone.unlink()
    restore(app)
    said = ended(app)
    assert said[-1] == "1 of 2 restored"
    assert said[0].startswith("gone.jpg: darktable could not export it")
    assert there.with_name("there_restored.tif").exists()
    assert not there.with_name("gone_restored.tif").exists()


def test_what_the_daemon_refuses_is_reported_in_its_own_words(app):
    path = photo_in(app, "tiny.jpg", size=(64, 12))
    app.do(IMPORT.format(path=path) + "return 'there'")
    restore(app)
    said = ended(app)
    assert said[-1] == "0 of 1 restored"
    assert said[0] == "tiny.jpg: the photo is 64x12; both sides need 16 pixels or more"
    assert app.rows(GROUP, "tiny.jpg") == [("tiny.jpg", 1, 1)]


def test_a_command_that_is_gone_is_reported(app):
    named = app.config / "lua/ldrps/command.txt"
    before = named.read_text()
    path = photo_in(app, "five.jpg")
    app.do(IMPORT.format(path=path) + "return 'there'")
    named.write_text("/nowhere/ldrps\n")
    try:
        restore(app)
        said = ended(app)
    finally:
        named.write_text(before)
    assert "/nowhere/ldrps is no longer there; run 'ldrps darktable install' again" in said[0]


def test_nothing_selected_is_reported(app):
    app.do("dt.gui.selection({}) return ''")
    restore(app)
    assert ended(app, "first") == ["select photos first"]


def test_cancel_ends_the_job_and_leaves_nothing(app, slow_daemon):
    path = photo_in(app, "six.jpg")
    app.do(IMPORT.format(path=path) + "return 'there'")
    with app.served_by(slow_daemon.address):
        restore(app)
        stepping = lambda: any(job.state == RUNNING for job in jobs(slow_daemon))  # noqa: E731
        assert wait_until(stepping, SECONDS), app.log()[-2000:]
        app.do("require('ldrps/ldrps').cancel() return 'cancelled'")
        assert ended(app) == ["cancelled; 0 of 1 restored"]
    assert not path.with_name("six_restored.tif").exists()
    assert wait_until(lambda: jobs(slow_daemon)[0].state == CANCELLED, 30)
    assert not list(app.folder.glob("cache/ldrps-*"))


def test_the_shortcut_restores_the_selected_photos(app):
    path = photo_in(app, "seven.jpg")
    app.do(IMPORT.format(path=path) + "return 'there'")
    app.run("xdotool search --onlyvisible --name darktable windowfocus --sync; xdotool key F9")
    assert ended(app) == ["1 of 1 restored"]
    assert path.with_name("seven_restored.tif").exists()


def test_the_recipes_are_those_that_there_are():
    text = (ROOT / "integrations/darktable/ldrps.lua").read_text()
    line = next(line for line in text.splitlines() if line.startswith("local RECIPES"))
    assert tuple(line.partition("{")[2].rstrip("}").replace('"', "").split(", ")) == RECIPES


def test_the_target_storage_restores_what_the_export_module_exports(app):
    path = photo_in(app, "eight.jpg")
    app.do(IMPORT.format(path=path) + "return 'there'")
    app.do("dt.gui.action('lib/export/export', 0, '', 'activate', 1.0) return ''")
    assert ended(app) == ["1 of 1 restored"]
    assert [row[:2] for row in app.rows(GROUP, "eight.jpg")] == [
        ("eight.jpg", 1),
        ("eight_restored.tif", 0),
    ]
