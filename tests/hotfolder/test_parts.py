"""The parts by themselves: ledger, names, settling, mounts, manners, settings, sidecars."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hotfolder.support import KEYWORDS, SIDECAR, tags, write_photo
from ldrps_client.files import decode
from ldrps_client.files._packet import Packet
from ldrps_client.hotfolder._entry import Identity, photo_key, plan_digest
from ldrps_client.hotfolder._ledger import Ledger
from ldrps_client.hotfolder._manners import Gate, on_battery
from ldrps_client.hotfolder._mounts import mount_of
from ldrps_client.hotfolder._only_if import parse_condition
from ldrps_client.hotfolder._rules import Rules, check_pattern, ending_for, result_name
from ldrps_client.hotfolder._settling import Settler, is_being_written
from ldrps_client.hotfolder._show import _sentence, _short
from ldrps_client.hotfolder._sidecars import sidecars_of, with_sidecars
from ldrps_client.hotfolder._troubles import Backoff
from ldrps_client.hotfolder.config import Manners, folder_from, load_config, parse_hours
from ldrps_engine.errors import OutputError, SettingsError
from ldrps_engine.settings import Settings

NOW = Identity(1, 2, 3)


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
    assert plan_digest(Settings()) != plan_digest(Settings(recipe="haze"))


def test_photos_are_claimed_in_turn_and_once(ledger):
    keys = [add(ledger, b"%d" % n, str(n)).key for n in range(3)]
    assert ledger.claim().key == keys[0]
    assert ledger.claim(skip=[keys[1]]).key == keys[2]
    assert ledger.claim().key == keys[1]
    assert ledger.claim() is None


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


@pytest.mark.parametrize(
    "name",
    [
        *(".a.jpg", "._a.jpg", "a.jpg~", "~$a.jpg", "a.jpg.part", "a.jpg.crdownload", "a.tmp"),
        *("a.jpg_original", "a.xmp", "a.txt", "a", "a.sync-conflict-20240101.jpg", "Thumbs.db"),
        *(".nfs0001.jpg", ".syncthing.a.jpg.tmp", ".ldrps-0123.png"),
    ],
)
def test_names_that_are_left_out(name):
    assert not Rules().takes_file(name)


def test_globs():
    rules = Rules(include=("*.jpg", "scans/*"), exclude=("*draft*",))
    taken = [n for n in ("a.jpg", "a.png", "scans/a.png", "draft.jpg") if rules.takes_file(n)]
    assert taken == ["a.jpg", "scans/a.png"]
    folders = ("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", ".stversions", "my draft", "ok")
    assert [name for name in folders if rules.enters(name)] == ["ok"]


def test_names_of_results():
    assert result_name("IMG 1.JPG", "{stem}_restored{ext}", "auto", 1, ".JPG") == (
        "IMG 1_restored.JPG"
    )
    assert result_name("a.b.png", "{stem}-{recipe}{ext}", "haze", 3, ".png") == "a.b_3-haze.png"
    assert len(result_name("x" * 300, "{stem}_r{ext}", "auto", 2, ".png")) == 255
    assert ending_for("a.TIF", deep=True, alpha=False) == ".TIF"
    assert ending_for("a.nef", deep=True, alpha=False) == ".tif"
    assert ending_for("a.xyz", deep=False, alpha=True) == ".png"


@pytest.mark.parametrize("text", ["x{ext}", "{stem}", "{stem}{what}{ext}", "a/{stem}{ext}", "{"])
def test_patterns_that_cannot_be(text):
    with pytest.raises(SettingsError, match="pattern"):
        check_pattern(text)


def test_settling_is_from_the_last_change_on(tmp_path):
    now = [0.0]
    settler = Settler(5.0, lambda: now[0])
    path = tmp_path / "a"
    path.write_bytes(b"1")
    settler.note(path)
    now[0] = 4.0
    path.write_bytes(b"12")
    assert list(settler.settled()) == []
    now[0] = 5.0
    assert list(settler.settled()) == []
    assert settler.next_due() == 10.0
    now[0] = 10.0
    assert list(settler.settled()) == [path]
    assert len(settler) == 0
    settler.note(path)
    path.unlink()
    now[0] = 15.0
    assert list(settler.settled()) == []
    assert len(settler) == 0


def test_who_writes_is_seen_without_any_event(tmp_path):
    path = tmp_path / "a"
    with path.open("wb"):
        assert is_being_written(path)
    assert not is_being_written(path)
    with path.open("rb"):
        assert not is_being_written(path)


def test_a_lease_that_is_broken_does_not_kill(tmp_path):
    """A writer that opens the file during the lease makes the kernel send SIGIO."""
    path = tmp_path / "a"
    path.write_bytes(b"")
    code = (
        "import fcntl, os, sys\n"
        "from ldrps_client.hotfolder._settling import ignore_lease_breaks\n"
        "ignore_lease_breaks()\n"
        f"descriptor = os.open({str(path)!r}, os.O_RDONLY)\n"
        "fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)\n"
        f"assert os.system('echo > {path} &') == 0\n"
        "import time; time.sleep(0.5)\n"
        "fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)\n"
        "print('alive')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_mounts(tmp_path):
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 8:1 / / rw - ext4 /dev/a rw\n"
        "2 1 0:40 / /mnt/my\\040nas rw shared:1 - nfs4 server:/x rw\n"
        "3 1 0:41 / /mnt/phone rw - fuse.simple-mtpfs x rw\n"
        "4 1 0:42 / /mnt/phone/card rw - vfat /dev/b rw\n"
    )
    nas = mount_of(Path("/mnt/my nas/photos"), table)
    assert (nas.point, nas.kind, nas.tells_changes) == ("/mnt/my nas", "nfs4", False)
    assert not mount_of(Path("/mnt/phone/a"), table).tells_changes
    assert mount_of(Path("/mnt/phone/card/a"), table).tells_changes
    assert mount_of(Path("/mnt/phonebook"), table).point == "/"


def test_a_folder_mounted_onto_itself_is_where_it_was(tmp_path):
    """systemd does that for what a unit may write to, and btrfs counts from its subvolume."""
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 0:20 /@ / rw - btrfs /dev/a rw\n"
        "2 1 0:20 /@data /data rw - btrfs /dev/a rw\n"
        "3 2 0:20 /@data/me/out /data/me/out rw - btrfs /dev/a rw\n"
        "4 1 0:20 /@/srv /srv ro - btrfs /dev/a rw\n"
        "5 1 0:20 /@data/me /mnt/other rw - btrfs /dev/a rw\n"
    )
    wanted = {"/data/me/out/x": "/data", "/srv/x": "/", "/mnt/other/x": "/mnt/other"}
    assert {path: mount_of(Path(path), table).point for path in wanted} == wanted


def test_hours_past_midnight():
    now = [datetime(2026, 1, 1, 23, 30)]
    gate = Gate(Manners(hours=parse_hours("22:00-6:00")), wall=lambda: now[0])
    assert gate.closed() == ""
    now[0] = datetime(2026, 1, 2, 5, 59)
    assert gate.closed() == ""
    now[0] = datetime(2026, 1, 2, 6, 0)
    assert "22:00 to 06:00" in gate.closed()
    assert parse_hours("09:00-17:30") == (time(9), time(17, 30))
    for wrong in ("9-17", "25:00-26:00", "09:00", "08:00-08:00"):
        with pytest.raises(SettingsError, match="hours"):
            parse_hours(wrong)


def test_the_rate():
    now = [100.0]
    gate = Gate(Manners(per_hour=60), clock=lambda: now[0])
    assert gate.closed() == ""
    gate.began()
    assert "60 photos an hour" in gate.closed()
    now[0] += 60
    assert gate.closed() == ""


def test_battery(tmp_path):
    def supply(name, **files):
        (tmp_path / name).mkdir(exist_ok=True)
        for key, value in files.items():
            (tmp_path / name / key).write_text(f"{value}\n")

    assert not on_battery(tmp_path / "none")
    supply("mouse", type="Battery", status="Discharging", scope="Device")
    assert not on_battery(tmp_path)
    supply("BAT0", type="Battery", status="Discharging")
    assert on_battery(tmp_path)
    gate = Gate(Manners(pause_on_battery=True), supplies=tmp_path)
    assert gate.closed() == "on battery"
    supply("AC", type="Mains", online=1)
    assert not on_battery(tmp_path)
    assert gate.closed() == ""


def test_backoff_grows_to_a_limit():
    backoff = Backoff(1.0, 5.0)
    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next() == 1


def test_a_file_of_settings(tmp_path):
    path = tmp_path / "watch.toml"
    path.write_text(
        'parallel = 3\nhours = "22:00-06:00"\n'
        '[[folder]]\nin = "a"\nout = "b"\nrecipe = "haze"\nonly_if = ["noise>5"]\n'
        'exclude = ["x*"]\nsettle = 20\nlink_clean = "copy"\n[[folder]]\nin = "/c"\n'
    )
    config = load_config(path)
    first, second = config.folders
    assert (first.root, first.out) == (tmp_path / "a", tmp_path / "b")
    assert (first.settings.recipe, first.settle, first.rules.exclude) == ("haze", 20, ("x*",))
    assert first.only_if == (parse_condition("noise > 5"),)
    assert str(second.root) == "/c"
    assert config.manners.parallel == 3


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no folder"),
        ("[[folder]]", "'in'"),
        ('[[folder]]\nin = "a"\nspeed = 1', "'speed'"),
        ('colour = 1\n[[folder]]\nin = "a"', "'colour'"),
        ('[[folder]]\nin = "a"\nrecipe = "magic"', "recipe 'magic'"),
        ('[[folder]]\nin = "a"\nonly_if = ["noise"]', "only_if 'noise'"),
        ('[[folder]]\nin = "a"\nsettle = "long"', "wrong kind"),
        ('[[folder]]\nin = "a"\nrecursive = 1', "recursive is 1"),
        ('[[folder]]\nin = "a"\npoll = "often"', "poll 'often'"),
        ('[[folder]]\nin = "a"\nout = "a"', "the watched folder itself"),
        ('[[folder]]\nin = "a"\nlink_clean = "copy"', "link_clean"),
        ('[[folder]]\nin = "a"\n[[folder]]\nin = "a/b"', "overlap"),
        ("[[folder]", "no TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, text, named):
    path = tmp_path / "watch.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert named in str(caught.value)


def test_a_folder_reached_by_a_link_is_the_same_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert folder_from({"in": tmp_path / "link"}).root == tmp_path.resolve() / "real"


def written(tmp_path, loaded):
    from ldrps_client.files import encode

    path = tmp_path / "out.png"
    encode(path, loaded.photo, like=loaded)
    return path


def test_sidecars_are_read_and_the_more_exact_one_counts(tmp_path):
    photo = write_photo(tmp_path / "a.png", 1)
    (tmp_path / "a.xmp").write_text(SIDECAR.format(rating=2, keywords=KEYWORDS))
    (tmp_path / "a.png.xmp").write_text(SIDECAR.format(rating=4, keywords=""))
    assert [path.name for path in sidecars_of(photo)] == ["a.xmp", "a.png.xmp"]
    found = tags(written(tmp_path, with_sidecars(decode(photo), "restored")))
    assert found == {
        "rating": "4",
        "keywords": ["dog", "restored"],
        "tree": ["dog", "restored"],
        "title": ["Tom & dog"],
        "development": "",
    }


def test_a_keyword_is_added_once(tmp_path):
    photo = write_photo(tmp_path / "a.png", 1)
    once = with_sidecars(decode(photo), "restored")
    path = written(tmp_path, once)
    again = with_sidecars(decode(path), "restored")
    packet = tags(path)
    path.unlink()
    assert tags(written(tmp_path, again)) == packet
    assert packet["keywords"] == ["restored"]


@pytest.mark.parametrize("data", [b"", b"nonsense", b"<x/>", b"\xff\xfe\x00"])
def test_a_broken_sidecar_is_as_none(tmp_path, data):
    photo = write_photo(tmp_path / "a.png", 1)
    (tmp_path / "a.png.xmp").write_bytes(data)
    loaded = decode(photo)
    assert tags(written(tmp_path, with_sidecars(loaded)))["rating"] == ""
    assert with_sidecars(replace(loaded, path=tmp_path / "none.png")).metadata == loaded.metadata


def test_a_sidecar_that_cannot_be_read_is_said(tmp_path):
    photo = write_photo(tmp_path / "a.png", 1)
    (tmp_path / "a.png.xmp").write_bytes(b"nonsense")
    (sentence,) = with_sidecars(decode(photo)).warnings
    assert sentence == f"{tmp_path / 'a.png.xmp'} cannot be read as XMP, and is left out"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_sidecars_in_utf_16(tmp_path, encoding):
    photo = write_photo(tmp_path / "a.png", 1)
    text = SIDECAR.format(rating=3, keywords=KEYWORDS)
    (tmp_path / "a.xmp").write_bytes(text.encode(encoding))
    loaded = with_sidecars(decode(photo))
    assert loaded.warnings == ()
    found = tags(written(tmp_path, loaded))
    assert (found["rating"], found["keywords"]) == ("3", ["dog"])


OF_A_RAW = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"
xmp:Rating="4" exif:PixelXDimension="6000" exif:PixelYDimension="4000" exif:ColorSpace="65535"
photoshop:SidecarForExtension="CR2" photoshop:ICCProfile="ProPhoto RGB" photoshop:ColorMode="3"
dc:format="image/x-canon-cr2" tiff:ImageWidth="6000" hdrgm:Version="1.0"
exif:GPSLatitude="48,12.5N" photoshop:City="Graz"/></rdf:RDF></x:xmpmeta>"""


def test_a_raws_sidecar_says_nothing_of_the_raw_file(tmp_path):
    photo = write_photo(tmp_path / "a.png", 1)
    (tmp_path / "a.xmp").write_text(OF_A_RAW)
    names = Packet(with_sidecars(decode(photo)).metadata.xmp).names()
    assert {name.local for name in names} == {"Rating", "GPSLatitude", "City"}


def test_lines_of_a_terminal():
    name = "a name that is much longer than a line of a terminal likes.jpg"
    assert _short(name) == "a name that is …rminal likes.jpg"
    assert _short("a.jpg") == "a.jpg"
    # Placed by an earlier run, which knew more.
    assert _sentence("done", "a.jpg", {"output": "x"}) == "a.jpg: restored, begun earlier"
    assert _sentence("skipped", "a.jpg", {"words": "fine"}) == "a.jpg: fine"
    assert _sentence("back", "/in", {"message": "/in is back"}) == "/in is back"


def test_small_pictures(tmp_path):
    from ldrps_client.hotfolder import _pictures

    path = tmp_path / "large.png"
    Image.fromarray(np.zeros((900, 3400, 4), np.uint8) + 9).save(path)
    photo = decode(path).photo
    for number in range(_pictures.KEPT // 2 + 3):
        key = f"{number:024d}"
        (tmp_path / "kept").mkdir(exist_ok=True)
        if number < 3:
            _pictures.keep_pictures(tmp_path / "kept", key, photo, photo)
            os.utime(_pictures.picture_path(tmp_path / "kept", key, "before"), (number, number))
            os.utime(_pictures.picture_path(tmp_path / "kept", key, "after"), (number, number))
        else:
            for which in ("before", "after"):
                _pictures.picture_path(tmp_path / "kept", key, which).write_bytes(b"")
    with Image.open(_pictures.picture_path(tmp_path / "kept", f"{0:024d}", "before")) as image:
        assert max(image.size) == 800
    _pictures.keep_pictures(tmp_path / "kept", "x" * 24, photo, photo)
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert len(kept) == _pictures.KEPT
    assert f"{0:024d}-before.jpg" not in kept


def test_an_old_entry_with_settings_of_another_version_is_read(ledger):
    entry = add(ledger, b"a.jpg", "1")
    ledger.change(entry.key, settings='{"recipe": "haze", "sparkle": 1, "layers": ["restored"]}')
    assert ledger.entry(entry.key).settings == Settings(recipe="haze")
