"""The benchmark of descriptions: words are held against labels and captions."""

import pytest
from PIL import Image

from benchmarks import descriptions
from benchmarks.descriptions import RIGHT, UNKNOWN, WRONG, Captioned, Said, captioned, truth
from ldrps_engine.captioning.naming import vocabulary
from support import pictures


def photo(text, tmp_path, *, is_caption=False):
    return Captioned("a.png", tmp_path / "a.png", text=text, is_caption=is_caption)


def test_every_word_can_be_judged():
    assert set(truth()) == {word.text for word in vocabulary()}


@pytest.mark.parametrize(
    ("phrase", "text", "is_caption", "verdict"),
    [
        ("", "sunflowers", False, ""),
        ("a flower", "sunflowers", False, RIGHT),
        ("an animal", "goldfinch", False, RIGHT),
        ("a dog", "hotdog", False, WRONG),
        # A label names one thing; a caption would have named the place.
        ("a beach", "umbrella", False, UNKNOWN),
        ("a beach", "A man with an umbrella", True, WRONG),
        ("a beach with a dog", "A dog runs along the shore", True, RIGHT),
        ("a beach with a dog", "A cat on the sand", True, WRONG),
    ],
)
def test_a_phrase_is_right_if_every_word_is(tmp_path, phrase, text, is_caption, verdict):
    assert Said(photo(text, tmp_path, is_caption=is_caption), "plain", phrase).verdict == verdict


@pytest.fixture
def folder(tmp_path):
    for name in "abc":
        samples = pictures.samples(pictures.natural(48, 64, ord(name)), "uint8")
        Image.fromarray(samples).save(tmp_path / f"{name}.png")
    rows = ["a.png\tCaltech-101\tCC\t64x48\tstripes", "b.png\twallpapers\tCC\t64x48\t"]
    rows.append("c.png\tFlickr8k originals\tresearch\t64x48\tStripes | Hills")
    head = "file\tsource\tlicence\tsize\ttext"
    (tmp_path / "manifest.tsv").write_text("\n".join([head, *rows]) + "\n")
    return tmp_path


def test_held_out_photos_with_a_text_are_taken(folder):
    assert [each.name for each in captioned(folder, held_out=True)] == ["a.png"]
    (other,) = captioned(folder, held_out=False)
    assert (other.name, other.is_caption) == ("c.png", True)


def test_the_command_prints_every_view(folder, capsys, monkeypatch):
    monkeypatch.setattr(descriptions.no_photos, "DRAWINGS", ())
    assert descriptions.main([str(folder), "--wrong"]) == 0
    printed = capsys.readouterr().out
    for view in ("plain", "dark", "grey", "noise"):
        # Stripes have no name.
        assert f"| {view} | 1 | 0 | 0 | 0 | 0 | - |" in printed
    assert descriptions.main([str(folder), "--views", "pink"]) == 2
    assert "use plain, dark, grey, noise" in capsys.readouterr().err
    assert descriptions.main([str(folder / "none")]) == 2
