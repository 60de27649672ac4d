"""Several photos at once: one's trouble is its own, and what was finished is told."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from PIL import Image

from hotfolder.test_disks import UNSHARE, can_unshare
from ldrps_client.cli import _targets
from ldrps_client.cli._targets import Targets
from ldrps_client.files import decode
from support.daemon import environment


@pytest.fixture
def card(tmp_path, pixels):
    """Photos of one name in two folders, as a camera makes them."""
    photos = []
    for number in range(2):
        folder = tmp_path / f"10{number}CANON"
        folder.mkdir()
        photos.append(folder / "IMG_0001.png")
        Image.fromarray(pixels + number * 50).save(photos[-1])
    return photos


def test_two_photos_of_one_name_are_numbered(ldrps, card, tmp_path, pixels):
    out = f"{tmp_path}/out/"
    more = ("--before-after", out, "--layers", "restored,pilot")
    assert ldrps("restore", *card, "-o", out, *more)[0] == 0
    assert sorted(os.listdir(out)) == [
        *("IMG_0001_2_before_after.jpg", "IMG_0001_2_restored.png"),
        *("IMG_0001_2_restored_pilot.png", "IMG_0001_before_after.jpg"),
        *("IMG_0001_restored.png", "IMG_0001_restored_pilot.png"),
    ]
    second = decode(f"{out}IMG_0001_2_restored.png").photo.to_samples()
    assert (second == 255 - (pixels + 50)).all()
    # The same command has the same names, and so does not make them all again beside these.
    code, _, err = ldrps("restore", *card, "-o", out)
    assert code == 5
    assert err.count("exists already") == 2


def test_results_of_one_name_are_redone_each(ldrps, card, tmp_path):
    assert ldrps("restore", *card)[0] == 0
    results = [path.with_name("IMG_0001_restored.png") for path in card]
    code, out, _ = ldrps("redo", *results, "-o", f"{tmp_path}/again/", "--force", "--json")
    records = json.loads(out)["results"]
    assert (code, [record["same"] for record in records]) == (0, [True, True])
    assert len({record["output"] for record in records}) == 2


def test_a_photo_that_is_given_twice_is_done_once_and_reported(ldrps, photo):
    again = photo.parent / "." / ".." / photo.parent.name / photo.name
    code, out, _ = ldrps("restore", photo, again, "--json")
    first, second = json.loads(out)["results"]
    assert code == 5
    assert "output" in first
    assert "is given twice" in second["error"]["message"]
    assert len(list(photo.parent.iterdir())) == 2


def test_a_photo_that_is_given_is_no_place_for_a_result(ldrps, photo, pixels):
    scan = photo.with_name("in_restored.png")
    Image.fromarray(pixels // 2).save(scan)
    before = scan.read_bytes()
    code, out, _ = ldrps("restore", photo, scan, "--force", "--json")
    first, second = json.loads(out)["results"]
    assert code == 5
    assert "which are never written to" in first["error"]["message"]
    assert Path(second["output"]).name == "in_restored_restored.png"
    assert scan.read_bytes() == before


def test_redo_does_not_write_over_the_original(ldrps, photo):
    before = photo.read_bytes()
    ldrps("restore", photo)
    result = photo.with_name("in_restored.png")
    code, _, err = ldrps("redo", result, "-o", photo, "--force")
    assert code == 5
    assert "is the original" in err
    assert photo.read_bytes() == before


@pytest.mark.parametrize("fault", [OSError(5, "Input/output error"), ZeroDivisionError("a bug")])
@pytest.mark.parametrize("where", ["decode", "Result.save"])
def test_an_error_that_nobody_foresaw_is_one_photos(ldrps, photo, monkeypatch, fault, where):
    first, last = (Path(shutil.copy(photo, photo.with_name(f"{n}.png"))) for n in "az")
    from ldrps_client._result import Result
    from ldrps_client.cli import _restore

    owner, name = (Result, "save") if "save" in where else (_restore, "decode")
    real = getattr(owner, name)

    def fall(*arguments, **options):
        if any("in" in Path(a).name for a in arguments if isinstance(a, Path)):
            raise fault
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, fall)
    code, out, err = ldrps("restore", first, photo, last, "--json")
    records = json.loads(out)["results"]
    assert code == 11
    assert ["error" in record for record in records] == [False, True, False]
    assert type(fault).__name__ in records[1]["error"]["message"]
    assert err.count("\n") == 1


def test_ctrl_c_tells_what_was_finished(ldrps, photo, monkeypatch):
    second = Path(shutil.copy(photo, photo.with_name("b.png")))
    from ldrps_client.cli import _restore

    real = _restore.decode

    def interrupt(path):
        if path == second:
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(_restore, "decode", interrupt)
    code, out, err = ldrps("restore", photo, second, "--json")
    (record,) = json.loads(out)["results"]
    assert (code, err) == (130, "ldrps: stopped\n")
    assert record["photo"] == str(photo)


def test_a_scripts_time_limit_tells_what_was_finished(address, fake, photo):
    """`timeout` sends SIGTERM."""
    slow = Path(shutil.copy(photo, photo.with_name("slow.png")))
    words = [sys.executable, "-c", _SLOW, "restore", photo, slow, "--json"]
    surroundings = environment() | {"LDRPS_ADDRESS": address}
    process = subprocess.Popen(
        words, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not photo.with_name("reached").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "ldrps: stopped\n")
    (record,) = json.loads(out)["results"]
    assert record["photo"] == str(photo)


_SLOW = """
import sys, time
from pathlib import Path
from ldrps_client.cli import _restore, main
real = _restore.decode
def decode(path):
    if path.name == "slow.png":
        path.with_name("reached").touch()
        time.sleep(60)
    return real(path)
_restore.decode = decode
sys.exit(main(sys.argv[1:]))
"""


_UNPRIVILEGED = """
import os, sys
from ldrps_client.cli import _redo, _restore, main
if os.geteuid() == 0:
    os.setuid(65_534)  # root may write everywhere
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["restore", "redo"])
def test_a_folder_that_takes_nothing_is_reported_once_and_at_once(command):
    """Without waiting for a daemon, for which there is nothing to do."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        words = [sys.executable, "-c", _UNPRIVILEGED, command, "a.png", "b.png", "-o", f"{folder}/"]
        words += ["--no-start", "--address", "unix:/nowhere/s"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert done.returncode == 5
        assert done.stderr == f"ldrps: {folder} may not be written to; choose another folder\n"


def test_where_one_photo_is_not_let_in_the_next_is_not_tried(ldrps, fake, card):
    fake.refuse = ("access", "the call shows no valid token")
    code, out, _ = ldrps("restore", *card, "--json")
    reasons = [record["error"]["reason"] for record in json.loads(out)["results"]]
    assert (code, reasons) == (12, ["access", "access"])
    assert len(fake.submits) == 1


def test_names_that_differ_in_capitals_alone_are_numbered(ldrps, tmp_path, pixels):
    """A memory card or a share takes them for the same file."""
    photos = [tmp_path / "a" / "Cover.png", tmp_path / "b" / "cover.png"]
    for number, path in enumerate(photos):
        path.parent.mkdir()
        Image.fromarray(pixels + number * 50).save(path)
    out = f"{tmp_path}/out/"
    assert ldrps("restore", *photos, "-o", out)[0] == 0
    assert sorted(os.listdir(out)) == ["Cover_restored.png", "cover_2_restored.png"]


_UNMOUNTED = """
import os, subprocess, sys
from pathlib import Path
from ldrps_client.cli._targets import Wish, plan_targets
from ldrps_client.files import decode
from ldrps_engine.errors import OutputError
photo, out = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "none", str(out)], check=True)
(targets,) = plan_targets([photo], Wish(output=f"{out}/"))
source = decode(photo)
targets.check(source, force=False)
subprocess.run(["umount", str(out)], check=True)
for check in (lambda: targets.check(source, force=False), targets.check_mounts):
    try:
        check()
    except OutputError as error:
        print(error)
"""


@pytest.mark.skipif(not can_unshare(), reason="user namespaces are not allowed here")
def test_nothing_is_written_where_a_disk_was_mounted(photo, tmp_path):
    """Neither before the work begins nor after it."""
    out = tmp_path / "disk"
    out.mkdir()
    words = [*UNSHARE, sys.executable, "-c", _UNMOUNTED, str(photo), str(out)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=True)
    reported = f"{out} is on another disk than at the start"
    assert [line[: len(reported)] for line in done.stdout.splitlines()] == [reported] * 2


@pytest.mark.parametrize("gone", ["out", "in"])
def test_a_folder_that_vanishes_in_mid_batch_costs_the_photos_in_it(
    ldrps, tmp_path, pixels, monkeypatch, gone
):
    """Finished photos stay, the rest is reported one by one, and nothing half-written is left."""
    photos = [tmp_path / "in" / f"{number}.png" for number in range(4)]
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    for path in photos:
        Image.fromarray(pixels).save(path)
    done = []

    class Once(Targets):
        def check(self, *given, **more):
            if len(done) == 2:
                (tmp_path / gone).rename(tmp_path / "away")
            done.append(self)
            return super().check(*given, **more)

    monkeypatch.setattr(_targets, "Targets", Once)
    code, out, _ = ldrps("restore", *photos, "-o", f"{tmp_path}/out/", "--json")
    results = json.loads(out)["results"]
    assert [record.get("error", {}).get("reason") for record in results] == (
        [None, None, "output", "output"] if gone == "out" else [None, None, None, "photo"]
    )
    assert code == (5 if gone == "out" else 3)
    kept = tmp_path / ("away" if gone == "out" else "out")
    count = 2 if gone == "out" else 3
    assert sorted(p.name for p in kept.iterdir()) == [f"{n}_restored.png" for n in range(count)]
