"""Profiles are undone and done again: right by a second reading, exact by what comes back."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from ldrps_engine.colour.colour_space import (
    Srgb,
    colour_space,
    from_srgb,
    read_colour_space,
    to_srgb,
)
from ldrps_engine.colour.icc import ProfileError
from ldrps_engine.colour.srgb import to_linear
from support import profiles


def values(channels=3, low=0.0, high=1.0):
    rng = np.random.default_rng(3)
    return (low + (high - low) * rng.random((40, 50, channels))).astype(np.float32)


@pytest.mark.parametrize("name", sorted(set(profiles.KNOWN) - {"adobe-rgb-tables"}))
def test_as_little_cms_has_it(name):
    """Pillow's littleCMS in 8 bits, within one and a half of its steps.

    Where sRGB holds the colour, and above 8 of 255, below which 8 bits are coarse.
    """
    eight = np.rint(values() * 255).astype(np.uint8)
    profile = profiles.KNOWN[name]
    theirs = ImageCms.profileToProfile(
        Image.fromarray(eight),
        io.BytesIO(profile),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    ours = to_srgb((eight / 255).astype(np.float32), colour_space(profile, grey=False))
    expected = np.asarray(theirs) / 255
    inside = ((expected > 8 / 255) & (expected < 1)).all(-1)
    assert inside.mean() > 0.2
    assert np.abs(ours - expected)[inside].max() < 1.5 / 255


def test_tables_say_the_same_as_the_matrix_they_were_made_from():
    """Not against Pillow, which joins them to a coarser table first."""
    one, other = (
        to_srgb(values(), colour_space(profiles.KNOWN[name], grey=False))
        for name in ("adobe-rgb", "adobe-rgb-tables")
    )
    inside = ((one > 8 / 255) & (one < 1)).all(-1)
    assert np.abs(one - other)[inside].max() < 1 / 255


@pytest.mark.parametrize("name", profiles.KNOWN)
def test_what_was_not_changed_comes_back_to_the_bit(name):
    space = colour_space(profiles.KNOWN[name], grey=False)
    # Also above 1, where floats have their highlights.
    before = values(high=4.0)
    assert np.array_equal(from_srgb(to_srgb(before, space), space, before), before)


@pytest.mark.parametrize("name", profiles.KNOWN)
def test_what_was_changed_comes_back_changed(name):
    """Half the display value, in sRGB: read again, it is that."""
    space = colour_space(profiles.KNOWN[name], grey=False)
    before = values(low=0.3, high=0.9)
    wanted = to_srgb(before, space) * np.float32(0.7) + np.float32(0.1)
    found = to_srgb(from_srgb(wanted, space, before), space)
    inside = (wanted > 0.02).all(-1) & (found > 0.02).all(-1)
    # Tables are only near each other's inverse.
    limit = 1.5 / 255 if name.endswith("-tables") else 1e-4
    assert np.abs(found - wanted)[inside].max() < limit


@pytest.mark.parametrize("name", ["adobe-rgb", "display-p3", "prophoto", "linear"])
def test_curves_go_on_above_white(name):
    """Light of two and a half times white stays in its proportions."""
    space = colour_space(profiles.KNOWN[name], grey=False)
    white = to_srgb(np.ones((1, 1, 3), np.float32), space)
    assert white == pytest.approx(1, abs=2e-3)
    bright = to_srgb(np.full((1, 1, 3), 2.0, np.float32), space)
    assert bright.min() > 1.3
    assert bright.max() - bright.min() < 5e-3


def without(profile, *names):
    """The profile without some of its tags."""
    for name in names:
        profile = profile.replace(name, b"none")
    return profile


def scanner(space="adobe-rgb-tables"):
    """Profile like those of scanners: tables one way only."""
    return without(profiles.KNOWN[space], b"B2A0")


def test_tables_without_a_way_back_are_undone():
    space = read_colour_space(scanner(), grey=False)
    whole = read_colour_space(profiles.KNOWN["adobe-rgb-tables"], grey=False)
    before = values(low=0.1, high=0.95)
    assert np.array_equal(space.forward(before), whole.forward(before))
    off = np.abs(space.backward(space.forward(before)) - before)
    # Interpolated between the 33 corners of a lattice; colours at the edge of sRGB, where its
    # curve is steepest, the least well.
    inside = (space.forward(before) > 0.1).all(-1)
    assert inside.mean() > 0.3
    assert off[inside].max() < 0.5 / 255
    assert off.mean() < 1 / 255


def test_a_scanners_photo_that_was_not_changed_comes_back_to_the_bit():
    space = read_colour_space(scanner(), grey=False)
    before = values()
    assert np.array_equal(from_srgb(to_srgb(before, space), space, before), before)


def test_a_scanners_photo_that_was_changed_comes_back_changed():
    space = read_colour_space(scanner(), grey=False)
    before = values(low=0.3, high=0.9)
    wanted = to_srgb(before, space) * np.float32(0.7) + np.float32(0.1)
    found = to_srgb(from_srgb(wanted, space, before), space)
    inside = (wanted > 0.05).all(-1) & (found > 0.05).all(-1)
    assert inside.mean() > 0.9
    assert np.abs(found - wanted)[inside].max() < 2.5 / 255


def test_tables_come_before_a_matrix():
    """As ICC.1:2022, 9.1, and every viewer have it; the matrix of such profiles is a stopgap."""
    tables = profiles.KNOWN["adobe-rgb-tables"]
    both = with_tags_of(tables, profiles.KNOWN["prophoto"])
    one, other = (read_colour_space(profile, grey=False) for profile in (tables, both))
    assert np.abs(one.forward(values()) - other.forward(values())).max() < 1e-6


def with_tags_of(tables, matrix):
    """A profile of the first one's tables and the second one's matrix and curves."""
    tags = {name: tag(tables, name) for name in (b"A2B0", b"B2A0")}
    names = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC")
    return profiles.profile(b"RGB ", tags | {name: tag(matrix, name) for name in names})


def tag(profile, name):
    at = profile.index(name, 132)
    start, size = struct.unpack_from(">II", profile, at + 4)
    return profile[start : start + size]


def test_a_whole_profile_that_is_no_use_is_distinguished_from_a_broken_one():
    for profile, whole in [
        (profiles.profile(b"RGB ", {}), True),
        (without(profiles.KNOWN["adobe-rgb"], b"gTRC"), True),
        (profiles.KNOWN["adobe-rgb"][:300], False),
        (profiles.profile(b"CMYK", {}), False),
        (profiles.GREYS["grey-linear"], False),
    ]:
        with pytest.raises(ProfileError) as caught:
            read_colour_space(profile, grey=False)
        assert caught.value.is_whole is whole


@pytest.mark.parametrize("name", profiles.GREYS)
def test_grey(name):
    space = read_colour_space(profiles.GREYS[name], grey=True)
    before = values(1)
    light = before**2.2 if "2.2" in name else before
    # 2.2 is stored as a whole number of 256ths.
    assert to_linear(to_srgb(before, space)) == pytest.approx(light, abs=2e-3)
    assert np.array_equal(from_srgb(to_srgb(before, space), space, before), before)


@pytest.mark.parametrize("name", ["srgb", "srgb-table"])
def test_srgb_costs_nothing(name):
    assert isinstance(read_colour_space(profiles.KNOWN[name], grey=False), Srgb)
    assert isinstance(read_colour_space(b"", grey=False), Srgb)


def test_a_colour_profile_on_a_grey_photo_lends_its_curve():
    space = read_colour_space(profiles.KNOWN["linear"], grey=True)
    assert to_linear(to_srgb(values(1), space)) == pytest.approx(values(1), abs=1e-5)


@pytest.mark.parametrize(
    "curve",
    [
        profiles.parametric(2.2),
        profiles.parametric(2.2, 1.1, -0.1),
        profiles.parametric(2.2, 1.1, -0.1, 0.05),
        profiles.parametric(*profiles.SRGB_CURVE),
        profiles.parametric(*profiles.SRGB_CURVE, 0.02, 0.02),
        profiles.table([0.0, 0.0, 0.2, 0.2, 1.0]),
    ],
)
def test_every_kind_of_curve_can_be_undone(curve):
    space = read_colour_space(profiles.grey(curve), grey=True)
    # From where the last one's flat stretch has ended.
    x = np.linspace(0.76, 3, 301, dtype=np.float32)[:, None, None]
    assert space.backward(space.forward(x)) == pytest.approx(x, abs=2e-5)
    rising = space.forward(np.linspace(0, 2, 999, dtype=np.float32)[:, None, None])
    assert np.diff(rising, axis=0).min() >= 0


def broken():
    whole = profiles.KNOWN["adobe-rgb"]
    for size in (1, 64, 131, 140, 200, 400, len(whole) - 20):
        yield f"first-{size}-bytes", whole[:size], "damaged|lacks|unknown"
    yield "no-signature", whole.replace(b"acsp", b"xxxx"), "damaged"
    yield "cmyk", profiles.profile(b"CMYK", {}), "is for CMYK colours"
    yield "for-grey", profiles.GREYS["grey-linear"], "is for grey"
    yield "without-curves", profiles.profile(b"RGB ", {}), "lacks a part"
    yield "flat", profiles.matrix(np.zeros((3, 3)), profiles.linear()), "span no colours"
    yield "falling", profiles.matrix(profiles.SRGB, profiles.table([1.0, 0.0])), "does not rise"
    yield "gamma-0", profiles.matrix(profiles.SRGB, profiles.gamma(0)), "does not rise"
    steep = profiles.parametric(10, 30000, 0.0)
    yield "without-end", profiles.matrix(profiles.SRGB, steep), "does not rise"
    negative = profiles.parametric(-2.0, 1.0, 0.0)
    yield "negative-exponent", profiles.matrix(profiles.SRGB, negative), "does not rise"
    yield "empty-tables", profiles.profile(b"RGB ", {b"A2B0": b"", b"B2A0": b""}), "damaged"
    many = whole[:128] + b"\xff\xff\xff\xff" + whole[132:]
    yield "tags-without-end", many, "damaged"


@pytest.mark.parametrize(
    ("profile", "words"), [pytest.param(*case[1:], id=case[0]) for case in broken()]
)
def test_broken_profiles_are_refused_in_words_and_read_as_srgb(profile, words):
    with pytest.raises(ProfileError, match=words):
        read_colour_space(profile, grey=False)
    assert isinstance(colour_space(profile, grey=False), Srgb)
