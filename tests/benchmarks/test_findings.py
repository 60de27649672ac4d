"""From a photographer's words to findings, and from a diagnosis."""

from dataclasses import dataclass

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.findings import FINDINGS, FINE, accepted, expected, named, probabilities
from ldrps_engine.analysis.diagnosis import Diagnosis

NOTHING = {"noise_sigma": 0.0, "haze": 0.0, "darkness": 0.0, "cast": 0.0, "grey": False}


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("strong fine noise in the dark parts, coloured", ("noise",)),
        ("fine luminance grain in the brown and the background, highlights clean", ("noise",)),
        ("coarse film grain everywhere, slightly faded blacks", ("noise", "faded")),
        ("film grain and JPEG blocks", ("noise", "blocks")),
        ("strong olive-brown cast (aged), faded, dark corners", ("cast", "faded")),
        ("brown toning, scratches, white cracks, dust", ("toned", "damage")),
        ("sepia, wide white folds across the face", ("toned", "damage")),
        ("Far too dark around one lamp; noise comes up with the light", ("dark", "noise")),
        ("hazy (composed), a room; reference beside it", ("hazy",)),
        ("backlit: the subject is too dark, the sky stays", ("backlit",)),
        ("sepia, with a yellow cast, torn", ("toned", "damage")),
        ("good portrait with paper texture; leave the tones alone", ()),
        ("a good photo, though slightly hazy", ("hazy",)),
    ],
)
def test_a_label_gives_findings_with_the_main_one_first(text, findings):
    assert expected(text).findings == findings
    assert expected(text).main == (findings[0] if findings else FINE)


@pytest.mark.parametrize("text", ["", "a church with lamps", "dark corners", "fine", "stonework"])
def test_a_label_without_a_finding_is_an_error(text):
    with pytest.raises(BenchmarkError, match="names no finding"):
        expected(text)


def test_what_the_label_leaves_open_is_neither_true_nor_false():
    dark = expected("far too dark")
    assert dark.truth("dark") is True
    assert dark.truth("hazy") is False
    assert dark.truth("noise") is None
    assert expected("good photo").truth("noise") is False
    assert expected("too dark, and noise in it").truth("noise") is True
    assert expected("backlit: too dark").truth("dark") is None


def test_the_subject_of_a_backlit_photo_may_be_called_dark_but_not_the_other_way_round():
    assert accepted("backlit") == {"backlit", "dark"}
    assert accepted("dark") == {"dark"}
    assert not accepted(FINE)


def test_all_that_a_diagnosis_says_is_named():
    found = Diagnosis(**(NOTHING | {"noise_sigma": 9.0, "darkness": 0.4, "cast": 0.9}))
    assert named(found) == ("dark", "noise", "cast")
    assert named(Diagnosis(**(NOTHING | {"haze": 0.5}))) == ("hazy",)
    assert named(Diagnosis(**(NOTHING | {"haze": 0.5, "grey": True}))) == ("faded",)
    assert named(Diagnosis(**(NOTHING | {"toned": True}))) == ("toned",)
    assert named(Diagnosis(**NOTHING)) == ()


def test_probabilities_are_read_where_they_are_given():
    @dataclass(frozen=True, kw_only=True)
    class Sure(Diagnosis):
        probabilities: dict[str, float]

        @property
        def is_backlit(self) -> bool:
            return True

    sure = Sure(**NOTHING, probabilities={"haze": 0.3, "noisy": 0.9, "other": 0.1})
    assert probabilities(sure) == ({"hazy": 0.3, "noise": 0.9}, True)
    assert named(sure) == ("backlit",)
    plain, are_given = probabilities(Diagnosis(**(NOTHING | {"haze": 0.5})))
    assert plain == {name: float(name == "hazy") for name in FINDINGS}
    assert not are_given
