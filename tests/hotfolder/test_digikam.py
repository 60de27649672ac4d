"""digiKam's script: it queues a photo, answers, and says what is wrong.

Called as the tool "Custom Script" of its Batch Queue Manager does: the files' names in double
quotes in place of $INPUT and $OUTPUT, the line given to a shell, what digiKam knows of the photo in
the environment, and sixty seconds of patience.
"""

import os
import re
import subprocess
import time

import pytest

from hotfolder.support import is_result_of, names, run_once, write_photo
from support.daemon import ROOT

SCRIPT = ROOT / "integrations" / "digikam" / "ldrps-queue.sh"
KNOWN = {
    **{"COLORLABEL": "0", "PICKLABEL": "0", "RATING": "-1"},
    **{"COMMENTS": "", "TITLE": "Tom & dog", "TAGSPATH": "People/Tom;Dogs"},
}
PATIENCE_SECONDS = 60


def documented():
    """The line that the guide has people enter."""
    guide = (ROOT / "docs" / "guide" / "photo-managers.md").read_text()
    return re.search(r"^LDRPS_HOT_FOLDER=.* \$INPUT \$OUTPUT$", guide, re.MULTILINE)[0]


def digikam(source, target, folder):
    line = documented().replace("/path/to/ldrps-queue.sh", f'"{SCRIPT}"')
    line = line.replace("$HOME/Pictures/In", str(folder))
    line = line.replace("$INPUT", f'"{source}"').replace("$OUTPUT", f'"{target}"')
    return subprocess.run(
        ["/bin/sh", "-c", line],
        env=os.environ | KNOWN,
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
    assert "is no folder" in done.stderr
    assert not (tmp_path / "answer.png").exists()
    # The only code that digiKam itself takes for an error.
    assert digikam_code("/nowhere/ldrps-queue.sh") == 127


def digikam_code(script):
    return subprocess.run(["/bin/sh", "-c", f"{script} a b"], capture_output=True).returncode


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
