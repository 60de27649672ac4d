"""`ldrps diagnose`: no daemon is needed, and what restore refuses is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from client import bad_photos
from client.test_cli import one_sentence
from support import pictures
from support.daemon import environment


def test_diagnose_needs_no_daemon(ldrps, photo, fake):
    code, out, _ = ldrps("diagnose", photo, "--json")
    assert code == 0
    (record,) = json.loads(out)["results"]
    assert {"noise_sigma", "haze", "darkness", "cast", "grey", "words"} <= set(record["diagnosis"])
    assert str(photo) in ldrps("diagnose", photo)[1]
    assert not fake.submits


def test_diagnose_says_where_the_picture_lies_in_its_border(ldrps, tmp_path):
    picture = pictures.samples(pictures.darkened(pictures.natural(96, 128)), np.uint8)
    whole = np.full((116, 150, 3), 250, np.uint8)
    whole[12:108, 9:137] = picture
    path = tmp_path / "scan.png"
    Image.fromarray(whole).save(path)
    (record,) = json.loads(ldrps("diagnose", path, "--json")[1])["results"]
    assert record["diagnosis"]["inner"] == {"left": 9, "top": 12, "width": 128, "height": 96}
    assert record["diagnosis"]["darkness"] > 0
    said = ldrps("diagnose", path)[1]
    assert "dark; border left as it is" in said
    assert "picture 128x96 at 9, 12" in said


def test_diagnose_refuses_what_restore_refuses(ldrps, tmp_path):
    path = bad_photos.write("bilevel.png", tmp_path)
    code, _, err = ldrps("diagnose", path)
    assert code == 3
    assert "without greys" in one_sentence(err)


@pytest.mark.parametrize(("chosen", "used"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3")])
def test_the_products_of_a_diagnosis_stay_in_one_thread(photo, chosen, used):
    """Idle threads of OpenBLAS wait by spinning; it reads the variable when numpy is loaded."""
    code = (
        "import os, sys; from ldrps_client.cli import main; assert 'numpy' not in sys.modules; "
        f"main(['diagnose', {str(photo)!r}]); print(os.environ['OPENBLAS_NUM_THREADS'])"
    )
    surroundings = {k: v for k, v in environment().items() if k != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=surroundings | chosen,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.splitlines()[-1] == used
