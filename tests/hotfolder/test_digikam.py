"""digiKam's scripts: they restore or queue a photo, answer, and say what is wrong.

Called as the tool "User Shell Script" of its Batch Queue Manager does: the files' names in double
quotes in place of $INPUT and $OUTPUT, the file for the result there already and empty, the line
given to a shell, what digiKam knows of the photo in the environment, and sixty seconds of patience.
"""

import os
import re
import subprocess
import sys
import time

import pytest
from PIL import Image

from hotfolder.support import KEYWORDS, SIDECAR, is_result_of, names, run_once, tags, write_photo
from support.daemon import ROOT, environment

SCRIPT = ROOT / "integrations" / "digikam" / "ldrps-queue.sh"
KNOWN = {
    **{"COLORLABEL": "0", "PICKLABEL": "0", "RATING": "-1"},
    **{"COMMENTS": "", "TITLE": "Tom & dog", "TAGSPATH": "People/Tom;Dogs"},
}
PATIENCE_SECONDS = 60


def documented(beginning):
    """The line that the guide has people enter."""
    guide = (ROOT / "docs" / "guide" / "photo-managers.md").read_text()
    return re.search(rf"^{beginning}.* \$INPUT .*\$OUTPUT.*$", guide, re.MULTILINE)[0]


def digikam(source, target, folder):
    line = documented("LDRPS_HOT_FOLDER=").replace("/path/to/ldrps-queue.sh", f'"{SCRIPT}"')
    return called(line.replace("$HOME/Pictures/In", str(folder)), source, target)


def called(line, source, target, **variables):
    """Call a script as digiKam does."""
    line = line.replace("$INPUT", f'"{source}"').replace("$OUTPUT", f'"{target}"')
    return subprocess.run(
        ["/bin/sh", "-c", line],
        env=os.environ | KNOWN | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def test_digikams_script_queues_and_answers(inside, out, tmp_path, client):
    photo = write_photo(tmp_path / "my album" / "a b.png", 1)
    assert digikam(photo, tmp_path / "answer.png", inside).returncode == 0
    assert (tmp_path / "answer.png").read_bytes() == photo.read_bytes()
    # The same again changes nothing, another photo of that name is not lost.
    assert digikam(photo, tmp_path / "answer.png", inside).returncode == 0
    other = write_photo(tmp_path / "other" / "a b.png", 2)
    assert digikam(other, tmp_path / "answer.png", inside).returncode == 0
    assert names(inside) == ["a b-2.png", "a b.png"]
    run_once(client, inside, out=out)
    assert is_result_of(out / "a b_restored.png", 1)
    assert is_result_of(out / "a b-2_restored.png", 2)


def test_digikams_script_says_what_is_wrong(tmp_path):
    photo = write_photo(tmp_path / "a.png", 1)
    done = digikam(photo, tmp_path / "answer.png", tmp_path / "nowhere")
    assert done.returncode == 1
    assert "is not a folder" in done.stderr
    assert not (tmp_path / "answer.png").exists()
    # For which digiKam has a message: "Command not found".
    assert digikam_code("/nowhere/ldrps-queue.sh") == 127


def digikam_code(script):
    return subprocess.run(["/bin/sh", "-c", f"{script} a b"], capture_output=True).returncode


@pytest.fixture
def restored(daemon, tmp_path):
    """Restores a photo by the guide's line; returns how that ended and the file for the result."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ldrps").write_text(f'#!/bin/sh\nexec {sys.executable} -m ldrps_client.cli "$@"\n')
    (programs / "ldrps").chmod(0o755)
    own = environment() | {"LDRPS_ADDRESS": daemon.address}
    own["PATH"] = f"{programs}:{os.environ['PATH']}"

    def restore(photo):
        target = photo.with_name("BatchTool-x.digikamtempfile" + photo.suffix)
        target.touch(0o600)
        return called(documented("timeout "), photo, target, **own), target

    return restore


def test_a_photo_is_restored_into_the_file_that_digikam_made_with_what_its_sidecar_says(
    restored, tmp_path
):
    photo = write_photo(tmp_path / "a b.png", 1)
    (tmp_path / "a b.png.xmp").write_text(SIDECAR.format(rating=4, keywords=KEYWORDS))
    done, target = restored(photo)
    assert done.returncode == 0, done.stderr
    with Image.open(target) as result:
        assert result.size == (24, 20)
    reported = tags(target)
    assert (reported["rating"], reported["keywords"]) == ("4", ["dog"])


def test_a_photo_that_cannot_be_restored_leaves_digikams_file_empty(restored, tmp_path):
    photo = tmp_path / "a.png"
    photo.write_bytes(b"no photo")
    done, target = restored(photo)
    assert done.returncode != 0
    assert "a.png" in done.stderr
    # Which digiKam takes for an error.
    assert target.read_bytes() == b""


@pytest.mark.parametrize("name", ["a b.png", "it's.png", "été (1).png", "-rf.png", "a;b&c.png"])
def test_digikams_script_takes_any_name(inside, tmp_path, name):
    photo = write_photo(tmp_path / "album" / name, 1)
    done = digikam(photo, tmp_path / "answer.png", inside)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(inside) == [name]
    assert (inside / name).read_bytes() == photo.read_bytes()


def test_digikams_script_keeps_times_and_answers_long_before_digikam_gives_up(inside, tmp_path):
    photo = write_photo(tmp_path / "a.png", 1)
    with photo.open("ab") as file:
        file.truncate(300_000_000)
    os.utime(photo, (1_000_000_000, 1_000_000_000))
    began = time.monotonic()
    assert digikam(photo, tmp_path / "answer.png", inside).returncode == 0
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    assert (inside / "a.png").stat().st_mtime == 1_000_000_000
