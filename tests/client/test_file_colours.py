"""Profiles, alpha and colour spaces of files."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from client.test_files import SRGB, samples
from ldrps_client.files import decode, encode, to_srgb
from ldrps_engine.photo import Depth, Photo
from support import profiles


def test_profiles_are_applied_for_looking_at(pixels):
    plain = Photo.from_samples(pixels)
    same = Photo.from_samples(pixels, SRGB)
    broken = Photo.from_samples(pixels, b"no profile")
    assert np.abs(to_srgb(same) - to_srgb(plain)).max() <= 1.01 / 255
    assert np.array_equal(to_srgb(broken), to_srgb(plain))
    assert to_srgb(Photo.from_samples(pixels[..., :1])).shape == pixels.shape


@pytest.mark.parametrize("depth", [Depth.U8, Depth.U16, Depth.F32])
@pytest.mark.parametrize("channels", [2, 4])
def test_associated_alpha_is_undone_and_done_again(tmp_path, depth, channels):
    """As compositors write it: every colour at most its alpha."""
    colour = np.random.default_rng(5).random((37, 53, channels - 1))
    alpha = np.random.default_rng(6).random((37, 53, 1))
    alpha[:9] = 0
    given = np.concatenate([colour * alpha, alpha], axis=-1) * depth.peak
    given = given.astype(depth.dtype)
    path = tmp_path / "in.tif"
    kind = "rgb" if channels == 4 else "minisblack"
    tifffile.imwrite(path, given, photometric=kind, extrasamples=["assocalpha"])
    loaded = decode(path)
    visible = alpha[..., 0] > 0.2
    step = 1 / depth.peak if depth.peak > 1 else 1e-6
    off = np.abs(loaded.photo.pixels - colour)[visible]
    assert off.max() < 5 * step, "the colour itself, as far as its rounding lets one see it"
    encode(tmp_path / "out.tif", loaded.photo, like=loaded)
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert tiff.pages.first.extrasamples[0] == 1
        back = tiff.pages.first.asarray()
    if depth is Depth.F32:
        assert back == pytest.approx(given, abs=1e-7)
    else:
        assert np.array_equal(back, given)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_a_broken_profile_is_said_and_left_out(tmp_path, pixels, ending):
    path = tmp_path / f"in{ending}"
    Image.fromarray(pixels).save(path, icc_profile=SRGB[:200])
    loaded = decode(path)
    (sentence,) = loaded.warnings
    assert sentence.startswith(f"{path}: its colour profile ")
    assert loaded.photo.icc_profile == b""
    encode(tmp_path / f"out{ending}", loaded.photo, like=loaded)
    assert decode(tmp_path / f"out{ending}").warnings == ()


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_a_whole_profile_that_is_no_use_to_us_is_kept(tmp_path, pixels, ending):
    strange = profiles.KNOWN["adobe-rgb"].replace(b"gTRC", b"none")
    path = tmp_path / f"in{ending}"
    Image.fromarray(pixels).save(path, icc_profile=strange)
    loaded = decode(path)
    assert "taken for sRGB; the result keeps the profile" in loaded.warnings[0]
    encode(tmp_path / f"out{ending}", loaded.photo, like=loaded)
    assert decode(tmp_path / f"out{ending}").photo.icc_profile == strange


def test_a_profile_for_other_channels_is_said(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "in.png", icc_profile=profiles.GREYS["grey-linear"])
    assert "is for grey photos" in decode(tmp_path / "in.png").warnings[0]


@pytest.mark.parametrize("ending", [".webp", ".avif"])
def test_alpha_is_exact_also_where_colours_are_not(tmp_path, ending):
    given = samples(Depth.U8, 4)
    encode(tmp_path / f"a{ending}", Photo.from_samples(given))
    assert np.array_equal(decode(tmp_path / f"a{ending}").photo.alpha, given[..., 3])


def test_lossless_webp_keeps_invisible_pixels(tmp_path):
    given = samples(Depth.U8, 4)
    given[:20, :, 3] = 0
    Image.fromarray(given).save(tmp_path / "in.webp", lossless=True, exact=True)
    loaded = decode(tmp_path / "in.webp")
    encode(tmp_path / "out.webp", loaded.photo, like=loaded)
    assert np.array_equal(decode(tmp_path / "out.webp").photo.to_samples(), given)


@pytest.mark.parametrize("ending", [".webp", ".avif"])
def test_grey_in_a_space_of_its_own_looks_the_same_where_there_is_no_grey(tmp_path, ending):
    grey = Photo.from_samples(samples(Depth.U8, 1), profiles.GREYS["grey-linear"])
    encode(tmp_path / f"a{ending}", grey)
    back = decode(tmp_path / f"a{ending}")
    assert back.warnings == ()
    assert np.abs(to_srgb(back.photo) - to_srgb(grey)).mean() < 2 / 255
