"""Results of a watched folder: once each, beside what is there already, worth their originals."""

import os
import shutil

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from hotfolder.support import (
    KEYWORDS,
    SIDECAR,
    is_result_of,
    names,
    pixels,
    run_once,
    tags,
    write_photo,
)
from ldrps_client.hotfolder.detect._rules import Rules
from ldrps_client.hotfolder.store._state import state_folder
from ldrps_engine.settings import Settings


def test_once_is_once(inside, out, client):
    write_photo(inside / "a.png", 1)
    write_photo(inside / "copy.png", 1)
    os.link(inside / "a.png", inside / "link.png")
    assert run_once(client, inside, out=out).kinds().count("duplicate") == 2
    run_once(client, inside, out=out)
    os.rename(inside / "a.png", inside / "renamed.png")
    os.utime(inside / "copy.png")
    run_once(client, inside, out=out)
    assert len(client.submits) == 1
    assert len(names(out)) == 1


def test_other_settings_make_another_result(inside, out, client):
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    run_once(client, inside, out=out, settings=Settings(recipe="noise"))
    assert names(out) == ["a_2_restored.png", "a_restored.png"]


def test_results_do_not_come_round_again(inside, client):
    write_photo(inside / "a.png", 1)
    run_once(client, inside)
    shutil.copy(inside / "a_restored.png", inside / "b.png")
    # Another program wrote it again: other bytes, but our mark.
    with Image.open(inside / "a_restored.png") as image:
        image.save(inside / "c.webp", lossless=True, xmp=image.info["xmp"])
    run_once(client, inside)
    run_once(client, inside)
    assert len(client.submits) == 1
    assert names(inside) == ["a.png", "a_restored.png", "b.png", "c.webp"]


def test_a_lost_ledger_makes_no_second_results(inside, out, client):
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    shutil.rmtree(state_folder(inside.resolve()).path)
    reported = run_once(client, inside, out=out)
    assert reported.kinds().count("done") == 1
    assert len(client.submits) == 1
    assert names(out) == ["a_restored.png"]


def test_what_is_there_already_is_never_replaced(inside, out, client):
    write_photo(inside / "a.png", 1)
    out.mkdir()
    (out / "a_restored.png").write_bytes(b"someone's")
    run_once(client, inside, out=out)
    assert (out / "a_restored.png").read_bytes() == b"someone's"
    assert is_result_of(out / "a_2_restored.png", 1)


def test_who_watches_the_same_folder_elsewhere_and_is_faster(inside, out, client, tmp_path):
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    finished = (out / "a_restored.png").read_bytes()
    (out / "a_restored.png").unlink()
    shutil.rmtree(state_folder(inside.resolve()).path)
    result = client.result

    def slower(*args, **options):
        (out / "a_restored.png").write_bytes(finished)
        return result(*args, **options)

    client.result = slower
    reported = run_once(client, inside, out=out)
    assert reported.facts("done")[0]["output"] == str(out / "a_restored.png")
    assert names(out) == ["a_restored.png"]
    run_once(client, inside, out=out)
    assert len(client.submits) == 2


def test_who_may_read_the_original_may_read_the_result(inside, out, client):
    for number, mode in enumerate((0o600, 0o664, 0o444)):
        write_photo(inside / f"{mode:o}.png", number).chmod(mode)
    run_once(client, inside, out=out)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in out.iterdir()}
    assert modes == {
        "600_restored.png": "0o600",
        "664_restored.png": "0o664",
        "444_restored.png": "0o644",
    }


def test_a_result_has_depth_metadata_and_sidecar_of_its_original(inside, out, client):
    deep = np.arange(24 * 20 * 3, dtype=np.uint16).reshape(20, 24, 3) * 40
    tifffile.imwrite(inside / "deep.tif", deep, photometric="rgb")
    exif = Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "Ada", 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2001:02:03 04:05:06"
    Image.fromarray(pixels(2)).save(inside / "IMG.JPG", exif=exif)
    (inside / "IMG.xmp").write_text(SIDECAR.format(rating=4, keywords=KEYWORDS))
    run_once(client, inside, out=out, keyword="restored")
    assert names(out) == ["IMG_restored.JPG", "deep_restored.tif"]
    assert np.array_equal(tifffile.imread(out / "deep_restored.tif"), 65535 - deep)
    with Image.open(out / "IMG_restored.JPG") as image:
        found = image.getexif()
        assert (image.format, image.size) == ("JPEG", (20, 24))
        assert found[ExifTags.Base.Artist] == "Ada"
        inner = found.get_ifd(ExifTags.IFD.Exif)
        assert inner[ExifTags.Base.DateTimeOriginal] == "2001:02:03 04:05:06"
    assert (
        tags(out / "IMG_restored.JPG")["rating"],
        tags(out / "IMG_restored.JPG")["keywords"],
    ) == (
        "4",
        ["dog", "restored"],
    )


def test_files_that_are_only_read_are_taken_when_they_are_named(inside, out, client):
    pytest.importorskip("pillow_heif").register_heif_opener()
    Image.fromarray(pixels(1, 64, 64)).save(inside / "IMG.HEIC")
    run_once(client, inside, out=out)
    assert names(out) == []
    run_once(client, inside, out=out, rules=Rules(include=("*.heic",)))
    assert names(out) == ["IMG_restored.jpg"]


def test_originals_are_only_read(inside, client):
    path = write_photo(inside / "a.png", 1)
    before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ctime_ns)
    path.chmod(0o444)
    before = (*before[:2], path.stat().st_ctime_ns)
    run_once(client, inside)
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ctime_ns) == before


def test_two_photos_of_one_name_have_two_results(inside, out, client):
    write_photo(inside / "a.png", 1)
    with Image.open(inside / "a.png") as image:
        image.save(inside / "a.tiff")
    write_photo(inside / "A.PNG", 3)
    run_once(client, inside, out=out)
    assert names(out) == ["A_restored.PNG", "a_restored.png", "a_restored.tiff"]


def test_names_need_not_be_text_nor_short(inside, out, client):
    odd = os.fsencode(inside) + b"/caf\xe9 \n.png"
    write_photo(inside / "a.png", 1)
    os.rename(inside / "a.png", odd)
    long = inside / ("ü" * 122 + ".png")
    write_photo(long, 2)
    reported = run_once(client, inside, out=out)
    assert reported.kinds().count("done") == 2
    assert all(len(os.fsencode(path.name)) <= 255 for path in out.iterdir())
    assert os.fsencode(out) + b"/caf\xe9 \n_restored.png" in [os.fsencode(p) for p in out.iterdir()]
