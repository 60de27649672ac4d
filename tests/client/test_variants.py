"""Several results of one photo beside each other: their seeds, their names, what is refused."""

import io
import json
import os

import numpy as np
import pytest

from client.test_cli import one_sentence
from ldrps_client.files import decode
from ldrps_engine.errors import SettingsError
from ldrps_engine.settings import MAX_SEED


def _pixels(path):
    return decode(path).photo.to_samples()


def test_variants_are_written_side_by_side_with_seeds_of_their_own(ldrps, photo, fake):
    code, out, _ = ldrps("restore", photo, "--variants", "3", "--seed", "7")
    assert code == 0
    assert [submit.settings.seed for submit in fake.submits] == [7, 8, 9]
    names = [f"in_restored-{number}.png" for number in (1, 2, 3)]
    assert sorted(os.listdir(photo.parent)) == ["in.png", *names]
    assert all(str(photo.with_name(name)) in out for name in names)


def test_layers_and_comparisons_have_the_number_too(ldrps, photo, tmp_path):
    folder = f"{tmp_path}/new/"
    more = ("--layers", "restored,pilot", "--before-after", folder)
    assert ldrps("restore", photo, "-o", folder, "--variants", "2", *more)[0] == 0
    assert sorted(os.listdir(folder)) == [
        *(f"in_before_after-{number}.jpg" for number in (1, 2)),
        *(f"in_restored-{number}.png" for number in (1, 2)),
        *(f"in_restored_pilot-{number}.png" for number in (1, 2)),
    ]


def test_one_variant_has_a_number_as_well(ldrps, photo):
    # A script that asks for N finds what it looks for, whatever N is.
    assert ldrps("restore", photo, "--variants", "1", "-o", photo.with_name("a.png"))[0] == 0
    assert photo.with_name("a-1.png").exists()
    assert not photo.with_name("a.png").exists()


def test_variants_that_are_alike_are_reported(ldrps, photo):
    out = ldrps("restore", photo, "--variants", "2")[1]
    assert "all variants are the same" in out
    (record,) = json.loads(ldrps("restore", photo, "--variants", "2", "--force", "--json")[1])[
        "results"
    ]
    assert [one["seed"] for one in record["variants"]] == [0, 1]
    assert all("all variants are the same" in one["remarks"][-1] for one in record["variants"])
    assert record["output"] == record["variants"][0]["output"]
    assert "all variants" not in ldrps("restore", photo, "--variants", "1", "--force")[1]


def test_variants_that_differ_are_not_called_alike(ldrps, photo, fake):
    fake.tint = True
    assert "all variants are the same" not in ldrps("restore", photo, "--variants", "2")[1]
    first, second = (_pixels(photo.with_name(f"in_restored-{k}.png")) for k in (1, 2))
    assert not np.array_equal(first, second)


def test_no_variant_is_begun_where_one_could_not_be_written(ldrps, photo, fake):
    kept = photo.with_name("in_restored-2.png")
    kept.write_bytes(b"precious")
    code, _, err = ldrps("restore", photo, "--variants", "3")
    assert code == 5
    assert "in_restored-2.png" in one_sentence(err)
    assert kept.read_bytes() == b"precious"
    assert not fake.submits


def test_variants_never_overwrite_a_photo_that_is_given(ldrps, photo, tmp_path, fake):
    other = tmp_path / "in_restored-2.png"
    other.write_bytes(photo.read_bytes())
    code, _, err = ldrps("restore", photo, other, "--variants", "2", "--force")
    assert code == 5
    assert "never written to" in err.splitlines()[0]
    assert other.read_bytes() == photo.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--variants", "0"], "variants is 0; use 1 to 16"),
        (["--variants", "17"], "variants is 17; use 1 to 16"),
        (["--variants", "-3"], "variants is -3"),
        (["--variants", "two"], "invalid int value"),
        (["--variants", "2", "--seed", str(MAX_SEED)], f"use a seed of at most {MAX_SEED - 1}"),
        (["--variants", "2", "--seed", "-1"], "seed is -1"),
    ],
)
def test_bad_numbers_are_refused_before_anything_is_done(ldrps, photo, fake, arguments, words):
    code, _, err = ldrps("restore", photo, "-o", f"{photo.parent}/new/", *arguments)
    assert code == 2
    assert words in one_sentence(err)
    assert not fake.submits
    assert os.listdir(photo.parent) == ["in.png"]


def test_python_gives_each_as_soon_as_it_is_there(client, photo, fake):
    results = client.variants(photo, 3, seed=4, recipe="colour")
    assert next(results).seed == 4
    assert len(fake.submits) == 1
    assert [result.seed for result in results] == [5, 6]
    assert {submit.settings.recipe for submit in fake.submits} == {"colour"}


def test_an_open_file_is_read_once(client, photo):
    given = io.BytesIO(photo.read_bytes())
    assert [result.seed for result in client.variants(given, 2)] == [0, 1]


def test_python_refuses_at_once(client, photo, fake):
    with pytest.raises(SettingsError, match="variants is 99"):
        client.variants(photo, 99)
    assert not fake.submits
