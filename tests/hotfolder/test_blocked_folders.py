"""Trouble that all photos share is found before the work and waited for, never listed as theirs."""

import errno
import os
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from hotfolder.support import names, pixels, run_once, write_photo
from ldrps_client.hotfolder.report.status import status_of
from ldrps_client.hotfolder.store._entry import Identity
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import state_folder
from ldrps_client.hotfolder.work._blocked_folders import Blocked, place_trouble
from ldrps_client.hotfolder.work._retry import RetryDecision, retry_decision, unforeseen
from ldrps_engine.errors import AccessError, OutputError, PhotoError
from ldrps_engine.settings import Settings
from support.daemon import environment

SETPRIV = shutil.which("setpriv")
RIGHTS = "-dac_override,-dac_read_search"


@pytest.mark.skipif(os.geteuid() == 0 and not SETPRIV, reason="root may write everywhere")
@pytest.mark.parametrize(
    "name",
    ["refused", "a_single_run", "one_folder_of_many", "locked_meanwhile", "a_file_in_the_way"],
)
def test_without_roots_rights(name, tmp_path):
    rights = [SETPRIV, f"--bounding-set={RIGHTS}", f"--inh-caps={RIGHTS}"]
    command = [sys.executable, "-m", "hotfolder.unprivileged", name, str(tmp_path)]
    if os.geteuid() == 0:
        command = [*rights, *command]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout == "well\n", done.stderr


def test_a_place_is_asked_for_and_nothing_is_made(tmp_path):
    assert place_trouble(tmp_path, "not/there/yet") is None
    assert os.listdir(tmp_path) == []
    assert "no space" in str(place_trouble(tmp_path, "", room=1 << 60))
    (tmp_path / "link").symlink_to("nowhere")
    assert "is not a folder" in str(place_trouble(tmp_path, "link/deeper"))


def test_a_file_system_without_nameless_files_is_asked_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "O_TMPFILE", 0)
    assert place_trouble(tmp_path, "") is None
    assert os.listdir(tmp_path) == []


def test_folders_that_are_waited_for_are_passed_over(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for number, folder in enumerate((b"a", b"caf\xe9", b"")):
        ledger.add(folder, b"p.jpg", Identity(1, 2, 3), str(number), Settings())
    blocked = Blocked()
    first = blocked.add(b"a", OutputError("locked"))
    assert 0 < blocked.add(b"a", OutputError("locked")) <= first
    blocked.add(b"caf\xe9", OutputError("locked"))
    assert ledger.has_queued_outside(blocked.names())
    assert ledger.claim((), blocked.held()).source == b"p.jpg"
    assert ledger.claim((), blocked.held()) is None
    assert not ledger.has_queued_outside(blocked.names())
    blocked.remove(b"caf\xe9")
    assert ledger.claim((), blocked.held()).source == b"caf\xe9/p.jpg"
    ledger.close()


def behind(error, number):
    error.__cause__ = OSError(number, os.strerror(number))
    return error


def test_what_an_error_means_for_others():
    shared = behind(PhotoError("a.jpg cannot be opened"), errno.EMFILE)
    assert retry_decision(shared) is RetryDecision.WAIT
    assert retry_decision(AccessError("the call shows no valid token")) is RetryDecision.WAIT
    assert (
        retry_decision(unforeseen(OSError(errno.ENFILE, "too many open files")))
        is RetryDecision.WAIT
    )
    # One bad sector must not hold up everything.
    assert (
        retry_decision(behind(PhotoError("a.jpg cannot be read"), errno.EIO)) is RetryDecision.RETRY
    )
    assert (
        retry_decision(behind(OutputError("b.jpg cannot be written"), errno.EIO))
        is RetryDecision.WAIT
    )
    assert retry_decision(behind(OutputError("b.jpg cannot be written"), errno.ENAMETOOLONG)) is (
        RetryDecision.FAIL
    )


def test_too_many_open_files_are_no_photos_failure(inside, out, client, monkeypatch):
    import ldrps_client.hotfolder.detect._intake as intake
    import ldrps_client.hotfolder.work._worker as worker

    left = {intake: 2, worker: 2}

    def short(module, real):
        def call(path):
            if left[module]:
                left[module] -= 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return real(path)

        return call

    for module in left:
        monkeypatch.setattr(module, "content_of", short(module, module.content_of))
    write_photo(inside / "a.png", 1)
    reported = run_once(client, inside, out=out)
    assert not any(left.values())
    assert "failed" not in reported.kinds()
    assert "too many open files" in reported.facts("waiting")[0]["message"]
    assert names(out) == ["a_restored.png"]


def test_a_photo_whose_name_is_no_text_is_listed_like_any_other(inside, out, client):
    odd = inside / os.fsdecode(b"caf\xe9.jpg")
    odd.write_bytes(b"no photo")
    write_photo(inside / "b.png", 2)
    reported = run_once(client, inside, out=out)
    (failure,) = status_of(inside.resolve(), state_folder(inside.resolve()))["failures"]
    assert failure["photo"] == "caf\ufffd.jpg"
    assert failure["photo_bytes"] == "Y2Fm6S5qcGc="
    assert "caf\ufffd.jpg" in failure["message"]
    assert reported.kinds("b.png")[-1] == "done"


def test_a_folder_whose_name_is_no_text_is_watched(tmp_path, client):
    inside = tmp_path / os.fsdecode(b"caf\xe9\n")
    inside.mkdir()
    write_photo(inside / "a.png", 1)
    run_once(client, inside)
    run_once(client, inside)
    assert len(client.submits) == 1
    assert (inside / "a_restored.png").is_file()


@pytest.mark.parametrize("length", [228, 244, 251])
@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_names_as_long_as_can_be(inside, out, client, length, ending):
    image = Image.fromarray(pixels(1))
    image.save(inside / f"{'x' * length}{ending}")
    image.save(inside / f"{'照' * (length // 3)}{ending}", comment="b", compress_level=1)
    Image.fromarray(pixels(2)).save(inside / f"b{ending}")
    reported = run_once(client, inside, out=out, keyword="restored")
    assert "failed" not in reported.kinds()
    assert all(len(os.fsencode(name)) <= 251 for name in names(out))
    assert len(names(out)) == 3
    # And a lost ledger makes no second results of them.
    before = names(out)
    shutil.rmtree(state_folder(inside.resolve()).path)
    run_once(client, inside, out=out, keyword="restored")
    assert names(out) == before
