"""The lines of a terminal and the small pictures that people get to see."""

import os

import numpy as np
from PIL import Image

from ldrps_client.files import decode
from ldrps_client.hotfolder.report._show import _sentence, _short


def test_lines_of_a_terminal():
    name = "a name that is much longer than a line of a terminal likes.jpg"
    assert _short(name) == "a name that is …rminal likes.jpg"
    assert _short("a.jpg") == "a.jpg"
    # Placed by an earlier run, which knew more.
    assert _sentence("done", "a.jpg", {"output": "x"}) == "a.jpg: restored, begun earlier"
    assert _sentence("skipped", "a.jpg", {"words": "fine"}) == "a.jpg: fine"
    assert _sentence("back", "/in", {"message": "/in is back"}) == "/in is back"


def test_small_pictures(tmp_path):
    from ldrps_client.hotfolder.report import _thumbnails

    path = tmp_path / "large.png"
    Image.fromarray(np.zeros((900, 3400, 4), np.uint8) + 9).save(path)
    photo = decode(path).photo
    for number in range(_thumbnails.KEPT // 2 + 3):
        key = f"{number:024d}"
        (tmp_path / "kept").mkdir(exist_ok=True)
        if number < 3:
            _thumbnails.keep_pictures(tmp_path / "kept", key, photo, photo)
            os.utime(_thumbnails.picture_path(tmp_path / "kept", key, "before"), (number, number))
            os.utime(_thumbnails.picture_path(tmp_path / "kept", key, "after"), (number, number))
        else:
            for which in ("before", "after"):
                _thumbnails.picture_path(tmp_path / "kept", key, which).write_bytes(b"")
    with Image.open(_thumbnails.picture_path(tmp_path / "kept", f"{0:024d}", "before")) as image:
        assert max(image.size) == 800
    _thumbnails.keep_pictures(tmp_path / "kept", "x" * 24, photo, photo)
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert len(kept) == _thumbnails.KEPT
    assert f"{0:024d}-before.jpg" not in kept
