"""Sidecars of originals, and what of them their results say."""

from dataclasses import replace

import pytest

from hotfolder.support import KEYWORDS, SIDECAR, tags, write_photo
from ldrps_client.files import decode
from ldrps_client.hotfolder._sidecars import sidecars_of, with_sidecars


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
