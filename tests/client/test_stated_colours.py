"""Colours that files state by numbers in the place of a profile: read as meant, and not lost."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from ldrps_client.files import decode, encode, to_srgb
from ldrps_client.files.colour._profile import Primaries, colour_profile, parametric
from ldrps_client.files.colour._stated import by_code_points, nclx_of
from ldrps_client.files.metadata._boxes import properties
from ldrps_client.files.metadata._ifd import EXIF, INTEROPERABILITY, Directory, Entry, structure
from ldrps_engine.colour.colour_space import read_colour_space
from ldrps_engine.colour.srgb import to_display
from ldrps_engine.photo import Photo
from support import profiles

P3 = Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290))
# Of ITU-R BT.2087-0, linear BT.2020 to linear BT.709.
BT2020_TO_BT709 = [
    [1.6605, -0.5876, -0.0728],
    [-0.1246, 1.1329, -0.0083],
    [-0.0182, -0.1006, 1.1187],
]


def smooth(size=(48, 64)):
    """Colours without steps."""
    y, x = np.mgrid[: size[0], : size[1]]
    colour = np.stack([x / size[1], y / size[0], (x + y) / sum(size)], axis=-1)
    return np.rint((0.35 + 0.3 * colour) * 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(path, samples, *chunks, **options):
    Image.fromarray(samples).save(path, **options)
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"".join(chunk(*each) for each in chunks) + data[33:])
    return path


def avif(path, samples, primaries, transfer, bits=8):
    given = samples if bits == 8 else samples.astype(np.uint16) << (bits - 8)
    data = imagecodecs.avif_encode(
        given,
        level=100,
        bitspersample=bits,
        pixelformat="444",
        primaries=primaries,
        transfer=transfer,
        matrix=6,
    )
    path.write_bytes(data)
    return path


def light(values):
    """BT.709's curve undone (H.273, table 3)."""
    return np.where(
        values < 4.5 * 0.018054, values / 4.5, ((values + 0.099297) / 1.099297) ** (1 / 0.45)
    )


def expected(samples, primaries, transfer):
    """SRGB by formulas that are not the client's own."""
    values = samples / 255
    linear = {
        8: lambda: values,
        13: lambda: np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4),
        14: lambda: light(values),
        4: lambda: values**2.2,
    }[transfer]()
    if primaries == 12:
        to_bt709 = np.linalg.solve(profiles.SRGB, profiles.P3)
    else:
        to_bt709 = np.array(BT2020_TO_BT709) if primaries == 9 else np.eye(3)
    # Colours outside of sRGB are cut off for looking at.
    return np.clip(to_display((linear @ np.transpose(to_bt709)).astype(np.float32)), 0, 1)


CASES = [(12, 13), (9, 14), (1, 8), (1, 4), (12, 8)]


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize(("primaries", "transfer"), CASES)
def test_avif(tmp_path, primaries, transfer, bits):
    path = avif(tmp_path / "in.avif", smooth(), primaries, transfer, bits)
    loaded = decode(path)
    wanted = expected(smooth(), primaries, transfer)
    # The codec's own loss is about two steps, of which the end of sRGB's curve makes many.
    inside = (wanted > 0.3).all(-1)
    assert inside.mean() > 0.5
    assert np.abs(to_srgb(loaded.photo) - wanted)[inside].max() < 6 / 255
    assert loaded.warnings == ()
    for name in ("out.avif", "out.png", "out.jpg", "out.tif"):
        out = tmp_path / name
        encode(out, loaded.photo, like=loaded)
        assert decode(out).photo.icc_profile == loaded.photo.icc_profile
    with open(tmp_path / "out.avif", "rb") as file:
        assert nclx_of(properties(file)) == (primaries, transfer)


def test_avif_in_srgb_or_unspecified_needs_no_profile(tmp_path):
    for numbers in ((1, 13), (2, 2), (1, 2), (2, 13)):
        assert decode(avif(tmp_path / "in.avif", smooth(), *numbers)).photo.icc_profile == b""


def test_numbers_that_nobody_knows_are_said(tmp_path):
    (sentence,) = decode(avif(tmp_path / "in.avif", smooth(), 12, 9)).warnings
    assert "12/9 of H.273, which we do not know, so the photo is taken for sRGB" in sentence


def test_a_profile_goes_before_the_numbers_of_an_avif(tmp_path):
    path = tmp_path / "in.avif"
    Image.fromarray(smooth()).save(path, icc_profile=profiles.KNOWN["adobe-rgb"])
    assert decode(path).photo.icc_profile == profiles.KNOWN["adobe-rgb"]


def test_heif(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    image = heif.from_pillow(Image.fromarray(smooth()))
    image.save(
        tmp_path / "in.heic",
        quality=-1,
        chroma=444,
        color_primaries=12,
        transfer_characteristics=13,
        matrix_coefficients=6,
        full_range_flag=1,
    )
    found = to_srgb(decode(tmp_path / "in.heic").photo)
    assert np.abs(found - expected(smooth(), 12, 13)).max() < 5 / 255


@pytest.mark.parametrize(("primaries", "transfer"), CASES)
def test_png_by_code_points(tmp_path, primaries, transfer):
    numbers = (b"cICP", bytes([primaries, transfer, 0, 1]))
    loaded = decode(png(tmp_path / "in.png", smooth(), numbers))
    # Three digits of the matrices in the test.
    assert np.abs(to_srgb(loaded.photo) - expected(smooth(), primaries, transfer)).max() < 1 / 255
    encode(tmp_path / "out.png", loaded.photo, like=loaded)
    assert chunk(*numbers) in (tmp_path / "out.png").read_bytes()
    assert decode(tmp_path / "out.png").photo.icc_profile == loaded.photo.icc_profile


CHRM_OF_P3 = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


@pytest.mark.parametrize(
    ("chunks", "primaries", "transfer"),
    [
        ([(b"gAMA", struct.pack(">I", 100_000))], 1, 8),
        ([(b"gAMA", struct.pack(">I", 45_455))], 1, 4),
        ([(b"gAMA", struct.pack(">I", 100_000)), (b"cHRM", CHRM_OF_P3)], 12, 8),
        ([(b"cHRM", CHRM_OF_P3)], 12, 13),
        ([(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45_455))], 1, 13),
    ],
)
def test_png_by_gamma_and_chromaticities(tmp_path, chunks, primaries, transfer):
    loaded = decode(png(tmp_path / "in.png", smooth(), *chunks))
    assert np.abs(to_srgb(loaded.photo) - expected(smooth(), primaries, transfer)).max() < 1 / 255
    encode(tmp_path / "out.png", loaded.photo, like=loaded)
    data = (tmp_path / "out.png").read_bytes()
    assert all(chunk(*each) in data for each in chunks)
    assert b"iCCP" not in data
    encode(tmp_path / "out.jpg", loaded.photo, like=loaded)
    # No step of a JPEG at quality 95 in smooth colours is larger.
    assert np.abs(to_srgb(decode(tmp_path / "out.jpg").photo) - to_srgb(loaded.photo)).max() < 0.05


def test_code_points_go_before_a_profile_in_a_png_and_both_stay(tmp_path):
    numbers = (b"cICP", bytes([12, 13, 0, 1]))
    path = png(tmp_path / "in.png", smooth(), numbers, icc_profile=profiles.KNOWN["adobe-rgb"])
    loaded = decode(path)
    assert np.abs(to_srgb(loaded.photo) - expected(smooth(), 12, 13)).max() < 1 / 255
    encode(tmp_path / "out.png", loaded.photo, like=loaded)
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["icc_profile"] == profiles.KNOWN["adobe-rgb"]
    assert chunk(*numbers) in (tmp_path / "out.png").read_bytes()


def test_a_grey_png_of_a_gamma_that_was_given_colour_is_no_longer_of_it(tmp_path):
    gamma = (b"gAMA", struct.pack(">I", 100_000))
    loaded = decode(png(tmp_path / "in.png", smooth()[..., 0], gamma))
    assert loaded.photo.is_grey
    assert loaded.photo.icc_profile[16:20] == b"GRAY"
    encode(tmp_path / "out.png", Photo.from_samples(smooth()), like=loaded)
    assert b"gAMA" not in (tmp_path / "out.png").read_bytes()


@pytest.mark.parametrize("gamma", [0, 1, 2**32 - 1])
def test_a_gamma_that_nobody_meant_costs_nothing(tmp_path, gamma):
    path = png(tmp_path / "in.png", smooth(), (b"gAMA", struct.pack(">I", gamma)))
    assert decode(path).photo.icc_profile == b""


@pytest.mark.parametrize("numbers", [bytes(32), b"\xff" * 32, struct.pack(">8I", *[33333] * 8)])
def test_chromaticities_that_span_nothing_are_said(tmp_path, numbers):
    loaded = decode(png(tmp_path / "in.png", smooth(), (b"cHRM", numbers)))
    assert loaded.photo.icc_profile == b""
    assert "taken for sRGB" in loaded.warnings[0]


def exif_of_adobe_rgb():
    entries = {1: Entry(2, 4, b"R03\0")}
    inner = Directory("<", {}, {INTEROPERABILITY: Directory("<", entries)})
    inner.entries[0xA001] = Entry(3, 1, b"\xff\xff")
    return structure(Directory("<", {271: Entry(2, 7, b"Kamera\0")}, {EXIF: inner}))


def test_a_camera_that_says_adobe_rgb_in_exif_alone(tmp_path):
    path = tmp_path / "in.jpg"
    Image.fromarray(smooth()).save(
        path, quality=100, subsampling=0, exif=b"Exif\0\0" + exif_of_adobe_rgb()
    )
    loaded = decode(path)
    own = Photo.from_samples(loaded.photo.to_samples(), profiles.KNOWN["adobe-rgb"])
    assert np.abs(to_srgb(loaded.photo) - to_srgb(own)).max() < 0.5 / 255
    for name, has_profile in (("out.jpg", False), ("out.png", True)):
        encode(tmp_path / name, loaded.photo, like=loaded)
        with Image.open(tmp_path / name) as image:
            assert ("icc_profile" in image.info) is has_profile
        assert decode(tmp_path / name).photo.icc_profile == loaded.photo.icc_profile


def test_a_tiff_that_states_chromaticities_and_curves(tmp_path):
    corners = [68000, 32000, 26500, 69000, 15000, 6000]
    curve = np.rint((np.arange(256) / 255) ** 2.2 * 65535).astype(np.uint16)
    tags = [
        (318, 5, 2, (31270, 100_000, 32900, 100_000), True),
        (319, 5, 6, tuple(n for corner in corners for n in (corner, 100_000)), True),
        (301, 3, 256, tuple(int(n) for n in curve), True),
    ]
    tifffile.imwrite(tmp_path / "in.tif", smooth(), photometric="rgb", extratags=tags)
    loaded = decode(tmp_path / "in.tif")
    values = (smooth() / 255) ** 2.2 @ np.linalg.solve(profiles.SRGB, profiles.P3).T
    wanted = to_display(values.astype(np.float32))
    assert np.abs(to_srgb(loaded.photo) - wanted).max() < 1 / 255
    encode(tmp_path / "out.tif", loaded.photo, like=loaded)
    assert decode(tmp_path / "out.tif").photo.icc_profile == loaded.photo.icc_profile


@pytest.mark.parametrize("primaries", [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22])
@pytest.mark.parametrize("transfer", [1, 4, 5, 7, 8, 13])
def test_every_profile_is_taken_by_little_cms_too(primaries, transfer):
    profile = by_code_points(primaries, transfer, grey=False).profile
    if (primaries, transfer) == (1, 13):
        assert profile == b""
        return
    values = (smooth() / 255).astype(np.float32)
    ours = read_colour_space(profile, grey=False).forward(values)
    theirs = imagecodecs.cms_transform(
        values,
        profile,
        imagecodecs.cms_profile("srgb"),
        colorspace="rgb",
        outcolorspace="rgb",
        outdtype=np.float32,
    )
    # Below zero the two go on in their own ways.
    inside = (theirs > 0.02).all(-1)
    assert inside.mean() > 0.3
    assert np.abs(ours - theirs)[inside].max() < 1.5 / 255


def test_the_same_numbers_are_the_same_profile():
    one, other = (colour_profile("a", P3, [parametric(2.2)]) for _ in range(2))
    assert one == other
    assert np.abs(np.array(_columns(one)) - np.transpose(profiles.P3)).max() < 1e-3


def _columns(profile):
    (count,) = struct.unpack_from(">I", profile, 128)
    places = {}
    for at in range(132, 132 + 12 * count, 12):
        name, start, _ = struct.unpack_from(">4sII", profile, at)
        places[name] = start
    return [
        [n / 65536 for n in struct.unpack_from(">3i", profile, places[name] + 8)]
        for name in (b"rXYZ", b"gXYZ", b"bXYZ")
    ]
