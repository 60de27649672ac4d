"""`ldrps redo`: from what a result says of itself back to the same pixels."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ldrps_client.cli import main
from ldrps_client.files import decode, encode
from ldrps_client.provenance import mark_in, marked, read_mark
from ldrps_engine.settings import Settings


@pytest.fixture
def ldrps(capsys, address):
    """Run a command in this process: (exit code, its record, error output)."""

    def run(*arguments):
        code = main([*map(str, arguments), "--json"])
        output = capsys.readouterr()
        (record,) = json.loads(output.out)["results"]
        return code, record, output.err

    return run


@pytest.fixture
def restored(ldrps, photo):
    chosen = ("--seed", 77, "--strength", 0.5, "--description", "ein Käfer", "--recipe", "haze")
    code, _, _ = ldrps("restore", photo, *chosen, "--layers", "restored,pilot")
    assert code == 0
    return photo.with_name("in_restored.png")


@pytest.mark.parametrize("layer", ["restored", "pilot"])
def test_the_same_request_gives_the_same_pixels(ldrps, restored, fake, layer):
    path = restored if layer == "restored" else restored.with_name("in_restored_pilot.png")
    code, record, err = ldrps("redo", path)
    assert (code, err) == (0, "")
    assert record["same"] is True
    assert record["output"] == str(path.with_name(f"{path.stem}_redone.png"))
    first, second = (header.settings for header in fake.submits)
    assert list(second.layers) == [layer]
    second.layers[:] = first.layers
    assert first == second
    again = read_mark(path.with_name(f"{path.stem}_redone.png"))
    assert replace(again.settings(), layers=Settings().layers) == replace(
        read_mark(path).settings(), layers=Settings().layers
    )


@pytest.mark.parametrize("ending", [".jpg", ".webp", ".tif", ".avif"])
def test_lossy_results_are_done_again_alike(ldrps, photo, ending):
    with Image.open(photo) as image:
        image.save(photo.with_suffix(ending))
    out = photo.with_name(f"out{ending}")
    ldrps("restore", photo.with_suffix(ending), "-o", out)
    assert ldrps("redo", out)[1]["same"] is True


def test_the_whole_folder_may_move(ldrps, restored, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(restored, moved / "renamed.png")
    shutil.move(tmp_path / "in.png", moved / "in.png")
    assert ldrps("redo", moved / "renamed.png")[1]["same"] is True


def test_an_original_that_is_elsewhere(ldrps, restored, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.move(tmp_path / "in.png", other / "in.png")
    code, _, err = ldrps("redo", restored)
    assert code == 3
    assert "say where with --original" in err
    for place in (other, other / "in.png"):
        assert ldrps("redo", restored, "--original", place, "--force")[1]["same"] is True


def test_metadata_of_the_original_may_change_and_its_pixels_may_not(ldrps, restored, photo, pixels):
    Image.fromarray(pixels).save(photo, dpi=(300, 300))
    assert ldrps("redo", restored)[0] == 0
    Image.fromarray(pixels[::-1]).save(photo)
    code, _, err = ldrps("redo", restored, "--force")
    assert code == 3
    assert "has other pixels" in err


def test_files_that_say_nothing(ldrps, photo, tmp_path):
    code, _, err = ldrps("redo", photo)
    assert code == 3
    assert "does not say how it was made" in err
    (tmp_path / "text.txt").write_text("dear diary")
    assert ldrps("redo", tmp_path / "text.txt")[0] == 3


def test_existing_files_are_kept(ldrps, restored):
    target = restored.with_name("in_restored_redone.png")
    target.write_bytes(b"precious")
    assert ldrps("redo", restored)[0] == 5
    assert target.read_bytes() == b"precious"
    assert ldrps("redo", restored, "-o", restored, "--force")[0] == 5


def edited(path, **changes):
    """Write the file again with another mark, or other pixels."""
    loaded = decode(path)
    mark = replace(mark_in(loaded.metadata.xmp), **changes)
    metadata = replace(loaded.metadata, xmp=marked(loaded.metadata.xmp, mark))
    encode(path.with_name("edited.png"), loaded.photo, metadata=metadata)
    return path.with_name("edited.png")


def test_other_circumstances_are_warned_of(ldrps, restored):
    path = edited(restored, version="0.0.1")
    assert "made by version 0.0.1" in ldrps("redo", path)[1]["warnings"][0]


def test_a_result_that_was_edited_is_not_the_same(ldrps, restored):
    loaded = decode(restored)
    pixels = loaded.photo.to_samples().copy()
    pixels[0, 0] ^= 3
    path = restored.with_name("edited.png")
    encode(path, loaded.photo.from_samples(pixels), metadata=loaded.metadata)
    record = ldrps("redo", path)[1]
    assert record["same"] is False
    assert record["difference"] == pytest.approx(3 / 255)


def test_into_a_folder(ldrps, restored, tmp_path, capsys):
    assert ldrps("redo", restored, "-o", f"{tmp_path}/new/")[0] == 0
    assert np.array_equal(
        decode(tmp_path / "new" / "in_restored_redone.png").photo.pixels,
        decode(restored).photo.pixels,
    )
    assert main(["redo", str(restored)]) == 0
    assert "(the same pixels)" in capsys.readouterr().out


@pytest.mark.e2e
def test_against_a_real_daemon(daemon, photo, capsys):
    options = ("--address", daemon.address, "--json")
    assert main(["restore", str(photo), *options]) == 0
    path = photo.with_name("in_restored.png")
    assert len(read_mark(path).model_hash) == 64
    capsys.readouterr()
    assert main(["redo", str(path), *options]) == 0
    (record,) = json.loads(capsys.readouterr().out)["results"]
    assert (record["same"], record["warnings"]) == (True, [])
    other = edited(path, model_hash="0" * 64)
    assert main(["redo", str(other), *options]) == 0
    (record,) = json.loads(capsys.readouterr().out)["results"]
    assert "by another model of the name bundled" in record["warnings"][0]
