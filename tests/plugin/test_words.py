"""A glance at a small copy: its findings in words, and nothing that it cannot know."""

import pytest

from ldrps_gimp.words import tones_text


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ("hazy, slightly dark; noise about 8", "Hazy, slightly dark"),
        ("damaged: dust and folds; JPEG blocks; hot pixels (3); perhaps dark", ""),
        ("nothing found; perhaps hazy; border left as it is", "Border left as it is"),
        ("", ""),
    ],
)
def test_a_glance_tells_tones_alone(words, reported):
    assert tones_text(words, goes_on=False) == reported


def test_a_glance_says_that_noise_and_damage_are_still_to_come():
    assert tones_text("dark; noise about 8", goes_on=True) == (
        "Dark; still looking for noise and damage ..."
    )
    assert tones_text("nothing found", goes_on=True) == (
        "Light and colours are good; still looking for noise and damage ..."
    )
