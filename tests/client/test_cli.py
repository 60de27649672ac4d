"""The `ldrps` command: sentences for people, JSON for programs, exit codes for scripts."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from client import bad_photos
from ldrps_client.cli import main
from ldrps_client.files import decode, encode
from ldrps_engine.errors import BY_REASON
from ldrps_engine.photo import Photo


def one_sentence(text):
    assert text.startswith("ldrps: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("name", bad_photos.BAD)
def test_bad_photos(ldrps, tmp_path, fake, name):
    path = bad_photos.write(name, tmp_path)
    _, code, words = bad_photos.BAD[name]
    result, out, err = ldrps("restore", path, "--no-start")
    assert (result, out) == (code, "")
    assert words in one_sentence(err)
    assert str(path) in err
    assert os.listdir(tmp_path) == [name]
    assert not fake.submits


@pytest.mark.timeout(20)
def test_paths_that_are_no_files(ldrps, tmp_path):
    for path, words in [
        (tmp_path / "missing.jpg", "no such file"),
        (tmp_path, "is a folder"),
        (bad_photos.pipe(tmp_path), "not a regular file"),
    ]:
        code, _, err = ldrps("restore", path)
        assert code == 3
        assert words in one_sentence(err)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_photo(ldrps, photo):
    photo.chmod(0)
    code, _, err = ldrps("restore", photo)
    assert code == 3
    assert "permission denied" in one_sentence(err)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".avif", ".tif", ".deep.png"])
def test_a_photo_truncated_anywhere(ldrps, tmp_path, ending):
    whole = tmp_path / f"whole{ending}"
    # Noise, so that every byte counts.
    depth = np.uint16 if "deep" in ending else np.uint8
    noise = np.random.default_rng(0).integers(0, np.iinfo(depth).max, (64, 64, 3), dtype=depth)
    encode(whole, Photo.from_samples(noise))
    data = whole.read_bytes()
    for tenth in range(10):
        path = tmp_path / f"part{tenth}{ending}"
        path.write_bytes(data[: len(data) * tenth // 10])
        code, _, err = ldrps("restore", path)
        assert code == 3, tenth
        one_sentence(err)
    assert not list(tmp_path.glob("*_restored*"))


def test_restore_writes_beside_the_photo(ldrps, photo, pixels):
    code, out, _ = ldrps("restore", photo)
    assert code == 0
    target = photo.with_name("in_restored.png")
    assert str(target) in out
    assert np.array_equal(decode(target).photo.to_samples(), 255 - pixels)


def test_restore_into_a_folder_with_everything(ldrps, photo, tmp_path, fake):
    out_dir = f"{tmp_path}/new/"
    layers = ("--layers", "restored,pilot", "--before-after", out_dir)
    code, _, _ = ldrps("restore", photo, "-o", out_dir, *layers)
    assert code == 0
    names = ["in_before_after.jpg", "in_restored.png", "in_restored_pilot.png"]
    assert sorted(os.listdir(out_dir)) == names
    assert list(fake.submits[0].settings.layers) == ["restored", "pilot"]


def test_every_option_reaches_the_daemon(ldrps, photo, fake):
    options = {
        "--recipe": "haze",
        "--strength": "0.5",
        "--description": "a bridge",
        "--recurrences": "2",
        "--steps": "30",
        "--seed": "9",
        "--model": "sd21",
        "--noise-sigma": "4.5",
    }
    code, _, _ = ldrps("restore", photo, *(word for pair in options.items() for word in pair))
    assert code == 0
    sent = fake.submits[0].settings
    assert (sent.recipe, sent.strength, sent.description) == ("haze", 0.5, "a bridge")
    assert (sent.recurrences, sent.steps, sent.seed) == (2, 30, 9)
    assert (sent.model, sent.noise_sigma) == ("sd21", 4.5)


def test_one_bad_photo_does_not_stop_the_rest(ldrps, photo, tmp_path):
    bad = bad_photos.write("text.jpg", tmp_path)
    code, out, err = ldrps("restore", bad, photo, "--json")
    assert code == 3
    first, second = json.loads(out)["results"]
    assert first["error"]["reason"] == "photo"
    assert "output" in second
    one_sentence(err)


def test_an_existing_result_is_kept_unless_forced(ldrps, photo, fake):
    target = photo.with_name("in_restored.png")
    target.write_bytes(b"precious")
    code, _, err = ldrps("restore", photo)
    assert code == 5
    assert "exists already" in one_sentence(err)
    assert target.read_bytes() == b"precious"
    assert not fake.submits, "the work would have been for nothing"
    assert ldrps("restore", photo, "--force")[0] == 0


def test_what_a_jpeg_cannot_hold_is_said_before_the_work(ldrps, tmp_path, pixels, fake):
    given = np.dstack([pixels, pixels[..., 0]])
    encode(tmp_path / "in.png", Photo.from_samples(given))
    code, _, err = ldrps("restore", tmp_path / "in.png", "-o", tmp_path / "out.jpg")
    assert code == 5
    assert "cannot be transparent" in one_sentence(err)
    assert not fake.submits


def test_oddities_are_warned_of(ldrps, tmp_path, pixels):
    path = tmp_path / "in.png"
    Image.fromarray(pixels).save(path, icc_profile=b"rubbish")
    code, out, err = ldrps("restore", path, "--json")
    (record,) = json.loads(out)["results"]
    assert (code, err) == (0, "")
    assert "colour profile is damaged" in record["warnings"][0]
    _, _, err = ldrps("restore", path, "--force")
    assert "ldrps: warning: " in err
    assert "colour profile" in ldrps("diagnose", path)[2]


def test_colour_is_offered_and_not_done(ldrps, photo, fake):
    fake.grey = True
    assert "--recipe colour gives it some" in ldrps("restore", photo)[1]
    assert "--recipe colour" not in ldrps("restore", photo, "--force", "--recipe", "colour")[1]


def test_two_photos_for_one_file(ldrps, photo, tmp_path):
    code, _, err = ldrps("restore", photo, photo, "-o", tmp_path / "out.png")
    assert code == 5
    assert "written twice" in one_sentence(err)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "magic"], "recipe 'magic' is not known"),
        (["--strength", "2"], "strength is 2.0"),
        (["--strength", "nan"], "strength is nan"),
        (["--steps", "0"], "steps is 0"),
        (["--seed", "-1"], "seed is -1"),
        (["--layers", "shadow"], "layers 'shadow' is not known"),
        (["--steps", "many"], "invalid int value"),
        (["--no-such-option"], "unrecognized arguments"),
    ],
)
def test_bad_settings(ldrps, photo, fake, arguments, words):
    code, _, err = ldrps("restore", photo, *arguments)
    assert code == 2
    assert words in one_sentence(err)
    assert not fake.submits
    assert not photo.with_name("in_restored.png").exists()


@pytest.mark.parametrize("reason", ["busy", "model", "unavailable", "limit", "photo", "internal"])
def test_what_the_daemon_refuses(ldrps, photo, fake, reason):
    fake.refuse = (reason, "the daemon says no")
    code, out, err = ldrps("restore", photo, "--json")
    assert code == BY_REASON[reason].exit_code
    (record,) = json.loads(out)["results"]
    assert record["error"]["reason"] == reason
    assert record["error"].get("retry_after") == (7.0 if reason == "busy" else None)
    assert "the daemon says no" in one_sentence(err)
    assert not photo.with_name("in_restored.png").exists()


def test_a_job_that_fails_half_way(ldrps, photo, fake):
    fake.fail = ("internal", "the worker died twice at this photo; try another")
    code, _, err = ldrps("restore", photo)
    assert code == 11
    assert "ldrps: the worker died twice" in err
    assert not photo.with_name("in_restored.png").exists()


def test_a_daemon_that_dies_half_way(ldrps, photo, fake, monkeypatch):
    monkeypatch.setattr("ldrps_client._watching._FIRST_PAUSE", 0.001)
    monkeypatch.setattr("ldrps_client._watching._CROWD_SECONDS", 0.2)
    fake.cut_after = [2] + [0] * 10_000
    code, _, err = ldrps("restore", photo)
    assert code == 7
    assert "ldrps: the daemon on unix:" in err
    assert not photo.with_name("in_restored.png").exists()


@pytest.mark.parametrize("command", [["restore", "--no-start"], ["status"], ["jobs"]])
def test_no_daemon(ldrps, photo, tmp_path, command):
    photos = [photo] if command[0] == "restore" else []
    code, _, err = ldrps(*command, *photos, "--address", f"unix:{tmp_path}/none")
    assert code == 7
    assert "no daemon answers" in one_sentence(err)


def test_stop_without_a_daemon_is_fine(ldrps, tmp_path):
    code, out, _ = ldrps("stop", "--json", "--address", f"unix:{tmp_path}/none")
    assert code == 0
    assert json.loads(out)["stopped"] is False


def test_jobs_cancel_and_status(ldrps, photo, client):
    job_id = client.submit(photo)
    assert job_id in ldrps("jobs")[1]
    assert json.loads(ldrps("jobs", "--json")[1])["jobs"][0]["id"] == job_id
    assert ldrps("cancel", job_id)[1] == f"{job_id}  cancelled\n"
    shown = ldrps("status")[1]
    assert re.search(r"cpu\s+│ idle\s+│ 7", shown)
    assert "0 running, 0 of 16 places taken" in shown
    assert "bundled 0 MiB" in shown
    assert "loaded in 2.3 s, idle 61 s" in shown
    assert json.loads(ldrps("status", "--json")[1])["version"] == "9.9"


def test_progress_in_a_pipe_is_a_few_lines(ldrps, photo):
    _, _, err = ldrps("restore", photo)
    assert "in.png: noise about 3" in err
    assert "in.png: sample, step 1 of 3" in err
    assert "step 2" not in err


def test_ctrl_c(ldrps, photo, fake, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ldrps_client.cli._progress.Lines.__call__", interrupt)
    code, _, err = ldrps("restore", photo)
    assert (code, err) == (130, "ldrps: stopped\n")
    assert fake.cancelled.is_set()


def test_a_bug_is_one_sentence(ldrps, photo, monkeypatch):
    def fall(*_, **__):
        raise ZeroDivisionError("over\nzero")

    monkeypatch.setattr("ldrps_client.cli._restore.decode", fall)
    code, _, err = ldrps("restore", photo)
    assert code == 11
    assert "ZeroDivisionError: over zero" in one_sentence(err)
    monkeypatch.setenv("LDRPS_DEBUG", "1")
    assert "Traceback" in ldrps("restore", photo)[2]


def test_version_and_help_name_all_exit_codes(capsys):
    for option in ("--version", "--help"):
        with pytest.raises(SystemExit) as caught:
            main([option])
        assert caught.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("ldrps 0.")
    for kind in BY_REASON.values():
        assert f" {kind.exit_code} " in out


def test_the_libraries_keep_their_complaints_to_themselves(tmp_path):
    """In a process of its own, because pytest catches log lines and warnings."""
    path = tmp_path / "in.tif"
    encode(path, Photo.from_samples(np.zeros((32, 32, 3), np.uint8)))
    data = bytearray(path.read_bytes())
    # The first entry of the directory, the width, gets a type that does not exist.
    start = int.from_bytes(data[4:8], "little")
    data[start + 4 : start + 6] = b"\xef\0"
    path.write_bytes(data)
    command = [sys.executable, "-m", "ldrps_client.cli", "diagnose", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4
    one_sentence(done.stderr)


def test_a_reader_that_leaves_is_no_error(address):
    command = [sys.executable, "-m", "ldrps_client.cli", "status"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert b"Traceback" not in err


@pytest.mark.e2e
def test_a_photo_larger_than_the_daemon_is_set_to_take(start_daemon, photo, capsys):
    daemon = start_daemon(max_pixels=3000)
    assert main(["restore", str(photo), "--address", daemon.address, "--json"]) == 4
    (record,) = json.loads(capsys.readouterr().out)["results"]
    assert record["error"]["reason"] == "limit"
    assert "takes at most 3000 pixels" in record["error"]["message"]
    assert not photo.with_name("in_restored.png").exists()


def test_a_sidecar_is_taken_in_on_request_alone(ldrps, photo, tmp_path):
    photo.with_name("in.png.xmp").write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
    )
    for options, held in (([], False), (["--sidecars"], True)):
        target = tmp_path / f"out{len(options)}.png"
        assert ldrps("restore", photo, "-o", target, *options)[0] == 0
        assert (b"Rating" in target.read_bytes()) == held
