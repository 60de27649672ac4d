"""Choice of a folder's photos to restore, and of the way."""

import errno
import os

import numpy as np
import pytest
from PIL import Image

from hotfolder.support import (
    names,
    pixels,
    run_once,
    write_photo,
)
from ldrps_client.hotfolder.detect._rules import Rules
from ldrps_client.hotfolder.report.status import status_of
from ldrps_client.hotfolder.store._state import state_folder
from ldrps_client.hotfolder.work._filters import parse_condition
from ldrps_engine.errors import (
    SettingsError,
)
from ldrps_engine.settings import Settings


def status(root):
    return status_of(root, state_folder(root.resolve()))


def test_only_what_needs_it(inside, out, client):
    write_photo(inside / "noisy.png", 1)
    Image.fromarray(pixels(2) // 64 + 100).resize((240, 200)).save(inside / "clean.png")
    conditions = (parse_condition("noise>20"),)
    reported = run_once(client, inside, out=out, filters=conditions, link_clean="symlink")
    assert reported.kinds("clean.png")[-1] == "skipped"
    assert names(out) == ["clean.png", "noisy_restored.png"]
    assert (out / "clean.png").readlink() == inside.resolve() / "clean.png"
    assert status(inside)["skipped"] == 1
    # Thought about again without looking at the photo, when the conditions have changed.
    reported = run_once(client, inside, out=out, filters=(parse_condition("noise>0.01"),))
    assert "clean_restored.png" in names(out)


def test_a_border_hides_nothing_that_is_asked_for(inside, out, client):
    """Findings kept from the first look are judged again, the border's place included."""
    picture = np.full((200, 260, 3), 250, np.uint8)
    picture[20:-20, 20:-20] = np.asarray(Image.fromarray(pixels(3)).resize((220, 160))) // 12
    Image.fromarray(picture).save(inside / "dark.png")
    reported = run_once(client, inside, out=out, filters=(parse_condition("darkness>2"),))
    assert reported.kinds("dark.png")[-1] == "skipped"
    assert "border left as it is" in reported.facts("skipped")[-1]["words"]
    reported = run_once(client, inside, out=out, filters=(parse_condition("darkness>3"),))
    assert not reported.kinds("dark.png")
    run_once(client, inside, out=out, filters=(parse_condition("darkness>0.1"),))
    assert names(out) == ["dark_restored.png"]


@pytest.mark.parametrize("how", ["hardlink", "copy"])
def test_what_needs_nothing_can_be_passed_on(inside, out, client, how):
    original = write_photo(inside / "sub" / "a.png", 1)
    conditions = (parse_condition("noise>1000"),)
    run_once(client, inside, out=out, filters=conditions, link_clean=how)
    assert names(out) == ["sub/a.png"]
    assert (out / "sub" / "a.png").read_bytes() == original.read_bytes()
    assert (out / "sub" / "a.png").samefile(original) == (how == "hardlink")
    # What is there stays.
    (out / "sub" / "a.png").unlink()
    (out / "sub" / "a.png").write_bytes(b"theirs")
    write_photo(inside / "sub" / "b.png", 2)
    (inside / "sub" / "b.png").rename(original)
    run_once(client, inside, out=out, filters=conditions, link_clean=how)
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


@pytest.mark.parametrize(("how", "call"), [("hardlink", "link"), ("symlink", "symlink")])
@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM])
def test_where_no_link_can_be_made_photos_are_copied(
    inside, out, client, monkeypatch, how, call, number
):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    original = write_photo(inside / "a.png", 1)
    monkeypatch.setattr(os, call, refused)
    conditions = (parse_condition("noise>1000"),)
    reported = run_once(client, inside, out=out, filters=conditions, link_clean=how)
    assert reported.kinds("a.png")[-2:] == ["warning", "skipped"]
    assert "originals are copied" in reported.facts("warning")[0]["message"]
    assert (out / "a.png").read_bytes() == original.read_bytes()
    assert not (out / "a.png").is_symlink()
