"""Names that are no text, or longer than most: photos all the same."""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ldrps_client._text import json_text, named, shown
from ldrps_client.files import check_target
from ldrps_client.files._names import fitting, longest_name, part_path
from ldrps_client.provenance import read_mark
from ldrps_engine.errors import OutputError
from support.daemon import environment

LATIN_1 = os.fsdecode(b"caf\xe9.png")
ODD = [
    *(LATIN_1, "a\nb.png", "a\x1b[31m\x85.png", " a .png", "a\ufffe.png", "-a.png"),
    *("Zürich \U0001f4f7.png", "a\tb\r.png", os.fsdecode(b"\xff\n\xfe.png")),
]
LONG = [f"{stem}.png" for stem in ("x" * 228, "x" * 240, "x" * 251, "照" * 76, "é" * 125)]


@pytest.fixture
def command(address):
    """Run the command as a process of its own: (exit code, the bytes of its output, errors)."""

    def run(*arguments, **variables):
        words = [sys.executable, "-m", "ldrps_client.cli", *map(str, arguments)]
        surroundings = environment() | {"LDRPS_ADDRESS": address} | variables
        done = subprocess.run(words, env=surroundings, capture_output=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_an_odd_name_is_valid_json_and_its_original_is_found_again(ldrps, photo, name):
    odd = photo.rename(photo.with_name(name))
    code, out, _ = ldrps("restore", odd, "--json")
    (record,) = json.loads(out)["results"]
    out.encode("utf-8")
    assert code == 0
    result = odd.with_name(f"{odd.stem}_restored.png")
    for key, path in (("photo", odd), ("output", result)):
        given = base64.b64decode(record.get(f"{key}_bytes", "")) or record[key].encode()
        assert given == os.fsencode(path)
    assert result.is_file()
    assert read_mark(result).derived_from.path == name
    code, out, _ = ldrps("redo", result, "--json")
    (record,) = json.loads(out)["results"]
    assert (code, record["same"]) == (0, True)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("encoding", ["", "ascii", "latin-1"])
def test_no_locale_makes_json_invalid_or_telling_fail(command, photo, locale, encoding):
    variables = {"LC_ALL": locale} | ({"PYTHONIOENCODING": encoding} if encoding else {})
    shutil.copy(photo, photo.with_name(LATIN_1))
    chinese = Path(shutil.copy(photo, photo.with_name("照片.png")))
    photos = [photo.with_name(LATIN_1), chinese]
    code, out, err = command("restore", *photos, "--json", **variables)
    assert (code, err) == (0, b"")
    first, second = json.loads(out.decode("utf-8"))["results"]
    assert base64.b64decode(first["photo_bytes"]) == os.fsencode(photos[0])
    assert second["photo"] == str(chinese)
    assert "photo_bytes" not in second
    code, out, err = command("restore", *photos, "--force", **variables)
    assert code == 0, err
    assert out.count(b" -> ") == 2
    code, out, _ = command("diagnose", *photos, "--json", **variables)
    assert len(json.loads(out.decode("utf-8"))["results"]) == 2


def test_what_a_name_holds_cannot_act_on_a_terminal(ldrps, photo):
    odd = photo.rename(photo.with_name("a\x1b[2Jb\nldrps: fine.png"))
    _, out, err = ldrps("restore", odd)
    assert "\x1b" not in out + err
    assert out.count("\n") == 1
    _, _, err = ldrps("restore", odd)
    assert err.count("\n") == 1
    assert r"a\x1b[2Jb\nldrps: fine" in err


def test_values_that_json_does_not_know():
    value = {"a": float("nan"), "b": [float("inf"), LATIN_1], LATIN_1: (Path(LATIN_1),)}
    found = json.loads(json_text(value))
    assert found == {"a": None, "b": [None, "caf\ufffd.png"], "caf\ufffd.png": ["caf\ufffd.png"]}
    assert named("a", "ä\n") == {"a": "ä\n"}
    assert shown("ä\n\x9b\udce9") == "ä\\n\\x9b\ufffd"


@pytest.mark.parametrize("name", LONG, ids=len)
def test_a_long_name_is_shortened_and_the_rest_is_done(ldrps, photo, tmp_path, name):
    long = Path(shutil.copy(photo, photo.with_name(name)))
    last = Path(shutil.copy(photo, tmp_path / "z.png"))
    out_dir = tmp_path / "out"
    everything = ("--layers", "restored,pilot", "--before-after", f"{out_dir}/", "--json")
    code, out, err = ldrps("restore", photo, long, last, "-o", f"{out_dir}/", *everything)
    assert (code, err) == (0, "")
    records = json.loads(out)["results"]
    assert [record["photo"] for record in records] == [str(p) for p in (photo, long, last)]
    result = Path(records[1]["output"])
    assert result.name.endswith("_restored.png")
    assert result.name[:50] == name[:50]
    assert len(os.listdir(out_dir)) == 9
    # So that a sidecar can stand beside it.
    assert all(len(os.fsencode(path)) <= 251 for path in os.listdir(out_dir))
    code, out, err = ldrps("redo", result, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["results"][0]["same"] is True


def test_long_names_that_become_the_same_are_numbered(ldrps, photo):
    photos = [shutil.copy(photo, photo.with_name("x" * 249 + end + ".png")) for end in "ab"]
    code, out, _ = ldrps("restore", *photos, "--json")
    first, second = (Path(record["output"]) for record in json.loads(out)["results"])
    assert code == 0
    assert first != second
    assert second.name.endswith("_2_restored.png")


@pytest.mark.parametrize(
    "name", ["y" * 248 + ".png", "y" * 400 + ".png", "y/" * 3000 + "a.png"], ids=len
)
def test_a_name_of_the_users_that_is_too_long_is_refused_before_the_work(
    ldrps, photo, tmp_path, fake, name
):
    code, out, err = ldrps("restore", photo, "-o", tmp_path / name)
    assert (code, out) == (5, "")
    assert err.count("\n") == 1
    assert "unforeseen" not in err
    assert not fake.submits


@pytest.mark.parametrize("name", ["y" * 400 + ".png", "y/" * 3000 + "a.png"], ids=len)
def test_a_photo_whose_name_cannot_be_is_that_photos_trouble_alone(ldrps, photo, name):
    for command in ("restore", "diagnose", "redo"):
        code, out, err = ldrps(command, photo.parent / name, photo, "--json")
        first, second = json.loads(out)["results"]
        assert first["error"]["reason"] == "photo"
        assert "file name too long" in err
        assert code == 3
        # `photo` is no result, which redo says of it.
        assert ("error" in second) == (command == "redo")


def test_names_are_as_long_as_their_folder_takes(tmp_path, monkeypatch):
    assert longest_name(tmp_path) == 251
    # eCryptfs, and so encrypted folders of some NAS systems.
    monkeypatch.setattr(os, "pathconf", lambda path, name: 143)
    assert longest_name(tmp_path) == 139
    assert len(os.fsencode(part_path(tmp_path / ("x" * 139)).name)) == 139
    with pytest.raises(OutputError, match="at most 139"):
        check_target(tmp_path / ("x" * 140 + ".png"))
    assert fitting("äöü", lambda stem: f"{stem}.png", 8) == "äö"
    assert fitting("a", lambda stem: f"{stem}.png", 3) == ""
