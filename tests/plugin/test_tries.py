"""The last tries are kept: few, whole, for this user alone, whatever is in their file."""

import json
import stat

import pytest

from support import plugin

plugin.load()

from ldrps_gimp.choices import Choices  # noqa: E402
from ldrps_gimp.tries import MOST, Tries, Try, state_file  # noqa: E402


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ldrps" / "gimp" / "tries.json"


def test_the_last_five_are_kept_the_newest_first(file):
    for seed in range(MOST + 3):
        Tries(file).add(Try(Choices(seed=seed), b"%d" % seed))
    kept = Tries(file).all()
    assert [each.choices.seed for each in kept] == [7, 6, 5, 4, 3]
    assert [each.picture for each in kept] == [b"7", b"6", b"5", b"4", b"3"]


def test_one_with_the_same_settings_takes_its_place(file):
    for seed, picture in ((1, b"old"), (2, b"other"), (1, b"new")):
        kept = Tries(file).add(Try(Choices(seed=seed, noise_sigma=20.0), picture))
    assert [(each.choices.seed, each.picture) for each in kept] == [(1, b"new"), (2, b"other")]
    assert Tries(file).all() == kept


def test_all_settings_come_back_as_they_were(file):
    choices = Choices(
        recipe="haze",
        strength=0.4,
        description="ein Haus",
        recurrences=2,
        steps=7,
        noise_sigma=3.5,
        amount_haze=1.5,
        seed=9,
        model="other",
        selection="damage",
    )
    Tries(file).add(Try(choices, b"x"))
    assert Tries(file).all() == [Try(choices, b"x")]


def test_nobody_else_can_read_them_and_nothing_is_left_beside_them(file):
    Tries(file).add(Try(Choices(), b"x"))
    Tries(file).add(Try(Choices(seed=1), b"x"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [each.name for each in file.parent.iterdir()] == ["tries.json"]


def test_the_file_holds_the_settings_and_the_picture_alone(file):
    Tries(file).add(Try(Choices(), b"x"))
    (kept,) = json.loads(file.read_bytes())
    assert set(kept) == {"settings", "picture"}
    assert set(kept["settings"]) == set(Choices().as_dict())


@pytest.mark.parametrize("data", [b"", b"{}", b"[", b"\xff\xfe", b"[1, null]", b'"x"'])
def test_a_file_that_is_broken_holds_none_and_is_written_anew(file, data):
    file.parent.mkdir(parents=True, mode=0o700)
    file.write_bytes(data)
    assert Tries(file).all() == []
    assert len(Tries(file).add(Try(Choices(), b"x"))) == 1
    assert len(Tries(file).all()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"strength": 1.5},
        {"strength": "much"},
        {"recipe": "magic"},
        {"model": 3},
        {"steps": 2.5},
        {"description": None},
    ],
)
def test_settings_that_cannot_be_are_left_out_and_unknown_ones_passed_over(file, change):
    Tries(file).add(Try(Choices(seed=1), b"x"))
    (kept,) = json.loads(file.read_bytes())
    later = {"settings": {**kept["settings"], "of a later version": 1}, "picture": kept["picture"]}
    broken = {"settings": {**kept["settings"], **change}, "picture": kept["picture"]}
    unreadable = {"settings": kept["settings"], "picture": "?"}
    file.write_text(json.dumps([broken, later, unreadable, {}]))
    assert Tries(file).all() == [Try(Choices(seed=1), b"x")]


def test_a_picture_that_is_too_large_is_not_kept(file):
    assert Tries(file).add(Try(Choices(), bytes(1 << 17))) == []
    assert not file.exists()


def test_where_they_cannot_be_kept_the_newest_is_known_all_the_same(tmp_path):
    (tmp_path / "ldrps").write_text("no folder")
    kept = Tries(tmp_path / "ldrps" / "gimp" / "tries.json").add(Try(Choices(), b"x"))
    assert kept == [Try(Choices(), b"x")]


def test_they_are_in_the_users_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_file() == tmp_path / "ldrps" / "gimp" / "tries.json"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_file() == tmp_path / ".local" / "state" / "ldrps" / "gimp" / "tries.json"
