"""digiKam's script: it queues a photo, answers, and says what is wrong."""

import os
import subprocess

from hotfolder.support import is_result_of, names, run_once, write_photo
from support.daemon import ROOT


def digikam(source, target, folder):
    script = ROOT / "integrations" / "digikam" / "ldrps-queue.sh"
    environment = os.environ | {"LDRPS_HOT_FOLDER": str(folder)}
    return subprocess.run(
        [script, source, target], env=environment, capture_output=True, text=True, timeout=60
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
