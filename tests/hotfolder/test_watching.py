"""One watched folder, with a client that stands in for the daemon."""

import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from hotfolder.support import (
    KEYWORDS,
    SETTLE,
    SIDECAR,
    InvertingClient,
    Watching,
    is_result_of,
    names,
    pixels,
    run_once,
    stays,
    tags,
    write_photo,
)
from ldrps_client.hotfolder._ledger import Ledger
from ldrps_client.hotfolder._mounts import Mount
from ldrps_client.hotfolder._only_if import parse_condition
from ldrps_client.hotfolder._rules import Rules
from ldrps_client.hotfolder._state import state_folder
from ldrps_client.hotfolder.status import retry_failed, status_of
from ldrps_engine.errors import (
    BusyError,
    InternalError,
    LimitError,
    ModelError,
    OutputError,
    SettingsError,
    UnavailableError,
)
from ldrps_engine.settings import Settings
from support.daemon import wait_until


def status(root):
    return status_of(root, state_folder(root.resolve()))


def test_what_is_there_and_what_comes_is_restored(inside, out, watch):
    write_photo(inside / "a.png", 1)
    told = watch(inside, out=out).told
    write_photo(inside / "sub" / "b.png", 2)
    assert wait_until(lambda: told.kinds().count("done") == 2)
    assert names(out) == ["a_restored.png", "sub/b_restored.png"]
    assert is_result_of(out / "a_restored.png", 1)
    assert is_result_of(out / "sub" / "b_restored.png", 2)


def test_a_folder_that_is_moved_in_and_renamed_stays_watched(inside, out, tmp_path, watch):
    told = watch(inside, out=out).told
    write_photo(tmp_path / "away" / "deep" / "a.png", 1)
    os.rename(tmp_path / "away", inside / "away")
    assert wait_until(lambda: told.kinds().count("done") == 1)
    os.rename(inside / "away", inside / "home")
    assert wait_until(lambda: "duplicate" in told.kinds("home/deep/a.png"))
    write_photo(inside / "home" / "deep" / "b.png", 2)
    assert wait_until(lambda: told.kinds().count("done") == 2)
    shutil.rmtree(inside / "home")
    write_photo(inside / "home" / "deep" / "c.png", 3)
    assert wait_until(lambda: told.kinds().count("done") == 3)


def test_a_photo_is_not_taken_while_it_is_open_for_writing(inside, out, watch):
    told = watch(inside, out=out).told
    whole = write_photo(inside.parent / "a.png", 1).read_bytes()
    with open(inside / "a.png", "wb") as file:
        file.write(whole)
        file.flush()
        assert stays(lambda: "found" not in told.kinds(), 6 * SETTLE)
    assert wait_until(lambda: "done" in told.kinds())


def test_a_photo_that_grows_in_pieces_is_taken_when_it_is_whole(inside, out, watch):
    told = watch(inside, out=out).told
    whole = write_photo(inside.parent / "a.png", 1).read_bytes()
    for end in range(0, len(whole) + 400, 400):
        (inside / "a.png").write_bytes(whole[:end])
        time.sleep(SETTLE / 3)
    assert wait_until(lambda: "done" in told.kinds())
    assert "retry" not in told.kinds()
    assert is_result_of(out / "a_restored.png", 1)


def test_half_a_photo_fails_until_the_other_half_comes(inside, out, watch):
    told = watch(inside, out=out).told
    whole = write_photo(inside.parent / "a.png", 1).read_bytes()
    (inside / "a.png").write_bytes(whole[:700])
    assert wait_until(lambda: "failed" in told.kinds())
    assert status(inside)["failed"] == 1
    (inside / "a.png").write_bytes(whole)
    assert wait_until(lambda: "done" in told.kinds())
    assert status(inside)["failed"] == 0


def test_a_photo_that_changes_before_its_turn_is_restored_as_it_is_then(inside, out, watch, client):
    client.gate.clear()
    told = watch(inside, out=out).told
    for number in range(2):
        write_photo(inside / f"{number}.png", number)
    assert wait_until(lambda: len(client.submits) == 2)
    # Both threads are busy now; this one has to wait.
    write_photo(inside / "later.png", 8)
    assert wait_until(lambda: "found" in told.kinds("later.png"))
    write_photo(inside / "later.png", 9)
    client.gate.set()
    assert wait_until(lambda: "done" in told.kinds("later.png"))
    assert is_result_of(out / "later_restored.png", 9)
    assert len(names(out)) == 3


def test_a_change_that_nobody_told_of_is_seen_before_the_result_counts(inside, out, client):
    client.gate.clear()
    watching = Watching(client, inside, out=out)
    for number in range(3):
        write_photo(inside / f"{number}.png", number)
    watching.start()
    assert wait_until(lambda: watching.told.kinds().count("found") == 3)
    assert wait_until(lambda: len(client.submits) == 2)
    (last,) = {0, 1, 2} - {int(path.stem) for path, _, _ in client.submits}
    watching.watcher._events.clear()
    write_photo(inside / f"{last}.png", 9)
    client.gate.set()
    assert wait_until(lambda: watching.told.kinds().count("done") == 3)
    watching.stop()
    run_once(client, inside, out=out)
    assert names(out) == ["0_restored.png", "1_restored.png", "2_restored.png"]
    assert is_result_of(out / f"{last}_restored.png", 9)
    # And what was there before has not been restored: should it come back, it is its turn.
    write_photo(inside / "back.png", last)
    run_once(client, inside, out=out)
    assert is_result_of(out / "back_restored.png", last)


def test_a_photo_that_goes_before_its_turn_is_no_failure(inside, out, watch, client):
    client.gate.clear()
    told = watch(inside, out=out).told
    for number in range(2):
        write_photo(inside / f"{number}.png", number)
    assert wait_until(lambda: len(client.submits) == 2)
    path = write_photo(inside / "later.png", 8)
    assert wait_until(lambda: "found" in told.kinds("later.png"))
    path.rename(inside.parent / "later.png")
    client.gate.set()
    assert wait_until(lambda: "gone" in told.kinds("later.png"))
    assert status(inside)["failed"] == 0
    (inside.parent / "later.png").rename(path)
    assert wait_until(lambda: "done" in told.kinds("later.png"))


def test_once_is_once(inside, out, client):
    write_photo(inside / "a.png", 1)
    write_photo(inside / "copy.png", 1)
    os.link(inside / "a.png", inside / "link.png")
    assert run_once(client, inside, out=out).kinds().count("duplicate") == 2
    run_once(client, inside, out=out)
    os.rename(inside / "a.png", inside / "renamed.png")
    os.utime(inside / "copy.png")
    run_once(client, inside, out=out)
    assert len(client.submits) == 1
    assert len(names(out)) == 1


def test_other_settings_make_another_result(inside, out, client):
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    run_once(client, inside, out=out, settings=Settings(recipe="noise"))
    assert names(out) == ["a_2_restored.png", "a_restored.png"]


def test_results_do_not_come_round_again(inside, client):
    write_photo(inside / "a.png", 1)
    run_once(client, inside)
    shutil.copy(inside / "a_restored.png", inside / "b.png")
    # Another program wrote it anew: other bytes, but our mark.
    with Image.open(inside / "a_restored.png") as image:
        image.save(inside / "c.webp", lossless=True, xmp=image.info["xmp"])
    run_once(client, inside)
    run_once(client, inside)
    assert len(client.submits) == 1
    assert names(inside) == ["a.png", "a_restored.png", "b.png", "c.webp"]


def test_a_lost_ledger_makes_no_second_results(inside, out, client):
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    shutil.rmtree(state_folder(inside.resolve()).path)
    told = run_once(client, inside, out=out)
    assert told.kinds().count("done") == 1
    assert len(client.submits) == 1
    assert names(out) == ["a_restored.png"]


def test_what_is_there_already_is_never_replaced(inside, out, client):
    write_photo(inside / "a.png", 1)
    out.mkdir()
    (out / "a_restored.png").write_bytes(b"someone's")
    run_once(client, inside, out=out)
    assert (out / "a_restored.png").read_bytes() == b"someone's"
    assert is_result_of(out / "a_2_restored.png", 1)


def test_who_watches_the_same_folder_elsewhere_and_is_faster(inside, out, client, tmp_path):
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    finished = (out / "a_restored.png").read_bytes()
    (out / "a_restored.png").unlink()
    shutil.rmtree(state_folder(inside.resolve()).path)
    result = client.result

    def slower(*args, **options):
        (out / "a_restored.png").write_bytes(finished)
        return result(*args, **options)

    client.result = slower
    told = run_once(client, inside, out=out)
    assert told.facts("done")[0]["output"] == str(out / "a_restored.png")
    assert names(out) == ["a_restored.png"]
    run_once(client, inside, out=out)
    assert len(client.submits) == 2


def test_who_may_read_the_original_may_read_the_result(inside, out, client):
    for number, mode in enumerate((0o600, 0o664, 0o444)):
        write_photo(inside / f"{mode:o}.png", number).chmod(mode)
    run_once(client, inside, out=out)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in out.iterdir()}
    assert modes == {
        "600_restored.png": "0o600",
        "664_restored.png": "0o664",
        "444_restored.png": "0o644",
    }


def test_a_result_has_depth_metadata_and_sidecar_of_its_original(inside, out, client):
    deep = np.arange(24 * 20 * 3, dtype=np.uint16).reshape(20, 24, 3) * 40
    tifffile.imwrite(inside / "deep.tif", deep, photometric="rgb")
    exif = Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "Ada", 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2001:02:03 04:05:06"
    Image.fromarray(pixels(2)).save(inside / "IMG.JPG", exif=exif)
    (inside / "IMG.xmp").write_text(SIDECAR.format(rating=4, keywords=KEYWORDS))
    run_once(client, inside, out=out, keyword="restored")
    assert names(out) == ["IMG_restored.JPG", "deep_restored.tif"]
    assert np.array_equal(tifffile.imread(out / "deep_restored.tif"), 65535 - deep)
    with Image.open(out / "IMG_restored.JPG") as image:
        found = image.getexif()
        assert (image.format, image.size) == ("JPEG", (20, 24))
        assert found[ExifTags.Base.Artist] == "Ada"
        inner = found.get_ifd(ExifTags.IFD.Exif)
        assert inner[ExifTags.Base.DateTimeOriginal] == "2001:02:03 04:05:06"
    assert (
        tags(out / "IMG_restored.JPG")["rating"],
        tags(out / "IMG_restored.JPG")["keywords"],
    ) == (
        "4",
        ["dog", "restored"],
    )


def test_files_that_are_only_read_are_taken_when_they_are_named(inside, out, client):
    pytest.importorskip("pillow_heif").register_heif_opener()
    Image.fromarray(pixels(1, 64, 64)).save(inside / "IMG.HEIC")
    run_once(client, inside, out=out)
    assert names(out) == []
    run_once(client, inside, out=out, rules=Rules(include=("*.heic",)))
    assert names(out) == ["IMG_restored.jpg"]


def test_originals_are_only_read(inside, client):
    path = write_photo(inside / "a.png", 1)
    before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ctime_ns)
    path.chmod(0o444)
    before = (*before[:2], path.stat().st_ctime_ns)
    run_once(client, inside)
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ctime_ns) == before


def test_two_photos_of_one_name_have_two_results(inside, out, client):
    write_photo(inside / "a.png", 1)
    with Image.open(inside / "a.png") as image:
        image.save(inside / "a.tiff")
    write_photo(inside / "A.PNG", 3)
    run_once(client, inside, out=out)
    assert names(out) == ["A_restored.PNG", "a_restored.png", "a_restored.tiff"]


def test_names_need_not_be_text_nor_short(inside, out, client):
    odd = os.fsencode(inside) + b"/caf\xe9 \n.png"
    write_photo(inside / "a.png", 1)
    os.rename(inside / "a.png", odd)
    long = inside / ("ü" * 122 + ".png")
    write_photo(long, 2)
    told = run_once(client, inside, out=out)
    assert told.kinds().count("done") == 2
    assert all(len(os.fsencode(path.name)) <= 255 for path in out.iterdir())
    assert os.fsencode(out) + b"/caf\xe9 \n_restored.png" in [os.fsencode(p) for p in out.iterdir()]


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("no daemon"),
        BusyError("full", 0.1),
        ModelError("model 'x' is missing"),
        OutputError("the ledger is away"),
    ],
)
def test_what_passes_is_waited_for(inside, out, client, error):
    if isinstance(error, OutputError):
        error.__cause__ = OSError(28, "No space left on device")
    client.errors = [error] * 3
    write_photo(inside / "a.png", 1)
    told = run_once(client, inside, out=out)
    assert told.kinds().count("waiting") == 3
    assert told.kinds().count("done") == 1
    # Handed in again under the same key: the daemon gives the same job.
    assert len({key for _, key, _ in client.submits}) == 1


def test_a_single_run_does_not_wait_for_ever(inside, out, client, monkeypatch):
    monkeypatch.setattr("ldrps_client.hotfolder._crew.Backoff.next", _quick)
    client.errors = [UnavailableError("no daemon answers")] * 20
    write_photo(inside / "a.png", 1)
    with pytest.raises(UnavailableError, match="no daemon"):
        run_once(client, inside, out=out)
    assert status(inside)["queued"] == 1


def _quick(self):
    self.failures += 1
    return 0.01


def test_what_may_be_the_photos_fault_is_tried_three_times(inside, out, client):
    client.errors = [InternalError("a worker died twice")] * 3
    write_photo(inside / "a.png", 1)
    told = run_once(client, inside, out=out)
    assert told.kinds().count("retry") == 2
    assert told.facts("failed")[0]["reason"] == "internal"
    # Each time as a new job: the old one would only say again that it failed.
    assert len({key for _, key, _ in client.submits}) == 3


def test_failures_are_listed_and_can_be_retried(inside, out, client, watch):
    client.errors = [LimitError("the photo is too large")]
    told = watch(inside, out=out).told
    write_photo(inside / "a.png", 1)
    state = state_folder(inside.resolve())
    assert wait_until(lambda: "too large" in state.failed.read_text())
    assert status(inside)["failures"][0]["message"] == "the photo is too large"
    assert retry_failed(inside, state) == 1
    assert wait_until(lambda: "done" in told.kinds(), 40)
    assert wait_until(lambda: "too large" not in state.failed.read_text())


def test_a_file_that_may_not_be_read_is_listed_until_it_may(inside, out, client, monkeypatch):
    write_photo(inside / "a.png", 1)
    import ldrps_client.hotfolder._intake as intake

    def refused(path):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(intake, "content_of", refused)
        told = run_once(client, inside, out=out)
    assert "permission denied" in told.facts("failed")[0]["message"]
    (inside / "a.png").chmod(0o600)
    run_once(client, inside, out=out)
    assert names(out) == ["a_restored.png"]
    assert status(inside)["failed"] == 0


def test_a_failure_whose_photo_is_gone_is_no_failure_any_more(inside, out, client):
    write_photo(inside / "a.png", 1)
    for name in ("bad.jpg", "sub/bad.jpg", "kept.jpg"):
        (inside / name).parent.mkdir(exist_ok=True)
        (inside / name).write_bytes(name.encode())
    run_once(client, inside, out=out)
    assert status(inside)["failed"] == 3
    (inside / "bad.jpg").unlink()
    shutil.rmtree(inside / "sub")
    run_once(client, inside, out=out)
    assert [failure["photo"] for failure in status(inside)["failures"]] == ["kept.jpg"]
    assert "bad.jpg" not in state_folder(inside.resolve()).failed.read_text()
    (inside / "bad.jpg").write_bytes(b"bad.jpg")
    run_once(client, inside, out=out)
    assert status(inside)["failed"] == 2


def test_a_bug_lists_a_photo_and_does_not_stop_the_others(inside, out, client, monkeypatch):
    import ldrps_client.hotfolder._intake as intake

    read_mark = intake.read_mark

    def mistaken(path):
        if path.name == "odd.png":
            raise ZeroDivisionError("a bug")
        return read_mark(path)

    monkeypatch.setattr(intake, "read_mark", mistaken)
    write_photo(inside / "haze" / "odd.png", 1)
    write_photo(inside / "z.png", 2)
    told = run_once(client, inside, out=out)
    assert "ZeroDivisionError: a bug" in told.facts("failed")[0]["message"]
    assert names(out) == ["z_restored.png"]
    assert "failed" not in run_once(client, inside, out=out).kinds()


def test_dropped_events_are_noticed_and_made_up_for(inside, out, client):
    watching = Watching(client, inside, out=out, scan_every=1e6)
    blocked = threading.Event()
    heard = watching.watcher._on_change

    def slow(path, is_folder):
        blocked.wait(60)
        heard(path, is_folder)

    watching.watcher._on_change = slow
    watching.start()
    room = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for number in range(room + 3000):
        # Two files in turn: equal events in a row would be told as one.
        (inside / f".{number % 2}").write_bytes(b"")
    for number in range(5):
        write_photo(inside / f"{number}.png", number)
    blocked.set()
    try:
        assert wait_until(lambda: "overflow" in watching.told.kinds(), 60)
        assert wait_until(lambda: watching.told.kinds().count("done") == 5, 60)
    finally:
        watching.stop()


def test_a_network_mount_is_polled_without_being_asked(inside, out, watch, monkeypatch):
    import ldrps_client.hotfolder.watcher as watcher

    monkeypatch.setattr(watcher, "mount_of", lambda path: Mount("/", "nfs4"))
    watching = watch(inside, out=out, poll_every=0.1)
    assert watching.told.facts("polling")[0]["message"].endswith("on nfs4")
    assert watching.watcher._events is None
    write_photo(inside / "sub" / "a.png", 1)
    assert wait_until(lambda: "done" in watching.told.kinds())


def test_polling_finds_what_comes(inside, out, watch):
    told = watch(inside, out=out, poll="always", poll_every=0.1).told
    assert told.facts("polling")
    write_photo(inside / "sub" / "a.png", 1)
    assert wait_until(lambda: "done" in told.kinds())


def test_the_timer_finds_what_no_event_told(inside, out, client):
    watching = Watching(client, inside, out=out, scan_every=1.0)
    watching.watcher._on_change = lambda path, is_folder: None
    watching.start()
    write_photo(inside / "a.png", 1)
    assert wait_until(lambda: "done" in watching.told.kinds())
    watching.stop()


def test_a_clock_that_is_set_back_changes_nothing(inside, out, client, watch, monkeypatch):
    told = watch(inside, out=out).told
    write_photo(inside / "a.png", 1)
    assert wait_until(lambda: told.kinds().count("done") == 1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 365 * 86400)
    client.errors = [UnavailableError("no daemon"), InternalError("died")]
    path = write_photo(inside / "b.png", 2)
    os.utime(path, (0, 0))
    assert wait_until(lambda: told.kinds().count("done") == 2)
    os.utime(write_photo(inside / "c.png", 3), (2**33, 2**33))
    assert wait_until(lambda: told.kinds().count("done") == 3)


def test_two_watchers_do_not_share_a_folder(inside, out, watch):
    watch(inside, out=out)
    with pytest.raises(OutputError, match="watched already"):
        run_once(InvertingClient(), inside, out=out)


def test_another_users_watcher_is_seen_too(inside, out, watch, monkeypatch, tmp_path):
    watch(inside, out=out)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user's"))
    with pytest.raises(OutputError, match="watched already"):
        run_once(InvertingClient(), inside, out=out)


def test_only_what_needs_it(inside, out, client):
    write_photo(inside / "noisy.png", 1)
    Image.fromarray(pixels(2) // 64 + 100).resize((240, 200)).save(inside / "clean.png")
    conditions = (parse_condition("noise>20"),)
    told = run_once(client, inside, out=out, only_if=conditions, link_clean="symlink")
    assert told.kinds("clean.png")[-1] == "skipped"
    assert names(out) == ["clean.png", "noisy_restored.png"]
    assert (out / "clean.png").readlink() == inside.resolve() / "clean.png"
    assert status(inside)["skipped"] == 1
    # Thought about again without looking at the photo, when the conditions have changed.
    told = run_once(client, inside, out=out, only_if=(parse_condition("noise>0.01"),))
    assert "clean_restored.png" in names(out)


@pytest.mark.parametrize("how", ["hardlink", "copy"])
def test_what_needs_nothing_can_be_passed_on(inside, out, client, how):
    original = write_photo(inside / "sub" / "a.png", 1)
    conditions = (parse_condition("noise>1000"),)
    run_once(client, inside, out=out, only_if=conditions, link_clean=how)
    assert names(out) == ["sub/a.png"]
    assert (out / "sub" / "a.png").read_bytes() == original.read_bytes()
    assert (out / "sub" / "a.png").samefile(original) == (how == "hardlink")
    # What is there stays.
    (out / "sub" / "a.png").unlink()
    (out / "sub" / "a.png").write_bytes(b"theirs")
    write_photo(inside / "sub" / "b.png", 2)
    (inside / "sub" / "b.png").rename(original)
    run_once(client, inside, out=out, only_if=conditions, link_clean=how)
    assert (out / "sub" / "a.png").read_bytes() == b"theirs"


def test_subfolders_choose_the_recipe(inside, out, client):
    for number, name in enumerate(("haze/a.png", "Low-Light/deep/b.png", "paper/c.png", "d.png")):
        write_photo(inside / name, number)
    run_once(client, inside, out=out, settings=Settings(recipe="noise"))
    recipes = {path.name: choices["recipe"] for path, _, choices in client.submits}
    assert recipes == {"a.png": "haze", "b.png": "low-light", "c.png": "noise", "d.png": "noise"}


def test_rules_and_an_output_folder_inside(inside, client):
    for name in ("a.png", "no/b.png", "sub/c.png", ".hidden/d.png", "@eaDir/e.png", "out/f.png"):
        write_photo(inside / name, hash(name) % 1000)
    rules = Rules(exclude=("no",))
    run_once(client, inside, out=inside.resolve() / "out", rules=rules)
    assert {path.name for path, _, _ in client.submits} == {"a.png", "c.png"}


def test_links_to_folders_are_not_followed(inside, out, client):
    write_photo(inside / "sub" / "a.png", 1)
    (inside / "sub" / "loop").symlink_to(inside)
    run_once(client, inside, out=out)
    assert names(out) == ["sub/a_restored.png"]


def test_a_folder_that_is_not_there_is_one_sentence(inside, client):
    with pytest.raises(SettingsError, match="cannot be used: no such file"):
        run_once(client, inside / "nowhere")


def test_a_job_in_hand_is_gone_on_with_after_a_restart(inside, out, client):
    client.gate.clear()
    write_photo(inside / "a.png", 1)
    watching = Watching(client, inside, out=out).start()
    assert wait_until(lambda: client.submits)
    watching.stop()
    assert names(out) == []
    client.gate.set()
    run_once(client, inside, out=out)
    first, second = client.submits
    assert first[1] == second[1]
    assert names(out) == ["a_restored.png"]


def test_the_ledger_of_a_later_version_is_left_alone(inside, out, client):
    run_once(client, inside, out=out)
    ledger = Ledger(state_folder(inside.resolve()).ledger)
    ledger._db.execute("PRAGMA user_version = 99")
    ledger.close()
    with pytest.raises(OutputError, match="later version"):
        run_once(client, inside, out=out)
