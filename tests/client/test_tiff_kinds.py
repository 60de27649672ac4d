"""TIFFs of other kinds than plain RGB: YCbCr, CMYK, palettes, thumbnails first, and old ones."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from ldrps_client.files import decode, encode
from ldrps_client.files.colour._cmyk import cmyk_to_srgb
from ldrps_client.files.metadata._ifd import read
from ldrps_engine.errors import PhotoError
from support import pictures, profiles


def natural(size=(96, 128)):
    return np.rint(pictures.natural(*size) * 255).astype(np.uint8)


def ycbcr(rgb, subsampled):
    """Samples as TIFF 6.0, section 21, orders them."""
    planes = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    if not subsampled:
        return planes
    height, width = rgb.shape[0] // 2, rgb.shape[1] // 2
    blocks = planes.reshape(height, 2, width, 2, 3).transpose(0, 2, 1, 3, 4)
    luma = blocks[..., 0].reshape(height, width, 4)
    chroma = np.rint(blocks[..., 1:].mean((2, 3))).astype(np.uint8)
    return np.concatenate([luma, chroma], axis=-1)


def ycbcr_tiff(path, rgb, *, subsampled=False, orientation=1):
    """Write a TIFF by hand, since tifffile writes no YCbCr without JPEG."""
    data = ycbcr(rgb, subsampled).tobytes()
    height, width = rgb.shape[:2]
    step = 2 if subsampled else 1
    bits = 8 + len(data)
    fractions = bits + 6
    tags = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, 3, bits),
        (259, 3, 1, 1),
        (262, 3, 1, 6),
        (273, 4, 1, 8),
        (274, 3, 1, orientation),
        (277, 3, 1, 3),
        (278, 3, 1, height),
        (279, 4, 1, len(data)),
        (284, 3, 1, 1),
        (530, 3, 2, step | step << 16),
        (531, 3, 1, 1),
        (532, 5, 6, fractions),
    ]
    after = struct.pack("<3H", 8, 8, 8)
    after += b"".join(struct.pack("<II", n, 1) for n in (0, 255, 128, 255, 128, 255))
    table = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<I", bits + len(after))
    directory = struct.pack("<H", len(tags)) + table + bytes(4)
    path.write_bytes(head + data + after + directory)
    return path


@pytest.mark.parametrize("orientation", [1, 6, 3])
@pytest.mark.parametrize("subsampled", [False, True])
def test_ycbcr(tmp_path, subsampled, orientation):
    rgb = natural()
    loaded = decode(
        ycbcr_tiff(tmp_path / "in.tif", rgb, subsampled=subsampled, orientation=orientation)
    )
    turned = {1: rgb, 6: np.rot90(rgb, -1), 3: rgb[::-1, ::-1]}[orientation]
    off = np.abs(loaded.photo.to_samples().astype(int) - turned)
    # Rounded once to 8 bits; chroma of half the size is off where colours have edges.
    assert off.max() <= 3 if not subsampled else off.mean() < 6
    encode(tmp_path / "out.tif", loaded.photo, like=loaded)
    assert np.array_equal(
        decode(tmp_path / "out.tif").photo.to_samples(), loaded.photo.to_samples()
    )


def cmyk_profile():
    """Inks that take their own parts of the light, by tables in four dimensions."""
    x = np.linspace(0, 1, 2)
    grid = np.stack(np.meshgrid(x, x, x, x, indexing="ij"), -1).reshape(-1, 4)
    rgb = (1 - grid[:, :3]) * (1 - grid[:, 3:])
    # Nearly all of the red is gone under cyan, and not quite; so in the others.
    xyz = np.clip((0.05 + 0.95 * rgb) @ np.transpose(profiles.SRGB) * 32768 / 65535, 0, 1)
    fixed = [round(v * 65536) for v in np.eye(3).ravel()]
    head = b"mft2" + bytes(4) + struct.pack(">4B9i", 4, 3, 2, 0, *fixed) + struct.pack(">2H", 2, 2)
    parts = [[0, 1] * 4, xyz.ravel(), [0, 1] * 3]
    body = b"".join(np.rint(np.asarray(p) * 65535).astype(">u2").tobytes() for p in parts)
    return profiles.profile(b"CMYK", {b"A2B0": head + body})


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("alpha", [False, True])
def test_cmyk_without_a_profile(tmp_path, dtype, alpha):
    peak = np.iinfo(dtype).max
    inks = np.zeros((48, 64, 4 + alpha), dtype)
    inks[:24, :, 0], inks[:, 32:, 3] = peak, round(peak / 2)
    if alpha:
        inks[..., 4] = 77
    path = tmp_path / "in.tif"
    extra = ["unassalpha"] if alpha else None
    tifffile.imwrite(path, inks, photometric="separated", extrasamples=extra, planarconfig="contig")
    loaded = decode(path)
    assert "without a profile that can be used" in loaded.warnings[0]
    assert (loaded.photo.alpha is not None) is alpha
    assert loaded.photo.pixels[40, 5] == pytest.approx([1, 1, 1])
    assert loaded.photo.pixels[5, 5] == pytest.approx([0, 1, 1])
    assert loaded.photo.pixels[40, 50] == pytest.approx([0.5, 0.5, 0.5], abs=0.01)
    assert loaded.photo.depth.value == dtype.__name__


def test_cmyk_by_its_profile(tmp_path):
    inks = np.zeros((48, 64, 4), np.uint8)
    inks[:24, :, 0] = 255
    Image.fromarray(inks, "CMYK").save(tmp_path / "in.jpg", quality=100, icc_profile=cmyk_profile())
    tifffile.imwrite(tmp_path / "in.tif", inks, photometric="separated", iccprofile=cmyk_profile())
    for name in ("in.jpg", "in.tif"):
        loaded = decode(tmp_path / name)
        assert "converted to sRGB by its profile" in loaded.warnings[0]
        assert loaded.photo.icc_profile == b""
        # Paper is white, and what cyan leaves of red is 5 % of the light: 0.25 in display values,
        # from which black point compensation takes a part.
        white, cyan = loaded.photo.pixels[40, 5], loaded.photo.pixels[5, 5]
        assert white == pytest.approx([1, 1, 1], abs=0.02)
        assert cyan[1:] == pytest.approx([1, 1], abs=0.02)
        assert 0.01 < cyan[0] < 0.3


def test_a_broken_profile_of_cmyk_is_as_none():
    inks = np.full((16, 16, 4), 100, np.uint8)
    plain, words = cmyk_to_srgb(inks, b"")
    broken, said = cmyk_to_srgb(inks, cmyk_profile()[:300])
    assert np.array_equal(plain, broken)
    assert words == said


@pytest.mark.parametrize("factor", [257, 256, 1])
def test_palettes(tmp_path, factor):
    """Writers multiply 8 bits by 257, by 256, or not at all."""
    few = Image.fromarray(natural()).quantize(64)
    table = np.asarray(few.getpalette()[: 3 * 64] + [0] * 3 * 192, np.uint16).reshape(256, 3)
    table[255] = 255
    indices = np.asarray(few)
    tifffile.imwrite(
        tmp_path / "in.tif", indices, photometric="palette", colormap=(table * factor).T
    )
    loaded = decode(tmp_path / "in.tif")
    assert np.array_equal(loaded.photo.to_samples(), np.asarray(few.convert("RGB")))
    assert "palette of few colours" in loaded.warnings[0]


def test_a_palette_of_sixteen_bits(tmp_path):
    table = np.random.default_rng(0).integers(0, 65536, (3, 256), dtype=np.uint16)
    indices = np.arange(48 * 64).reshape(48, 64).astype(np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", indices, photometric="palette", colormap=table)
    found = decode(tmp_path / "in.tif").photo.to_samples()
    assert np.array_equal(found, table.T[indices])


def with_thumbnail(path, *, first=True, below=False):
    small = natural((24, 32))
    make = [(271, 2, 7, b"Kamera\0", True), (274, 3, 1, 8, True)]
    own = [(305, 2, 5, b"Soft\0", True), (274, 3, 1, 1, True)]
    with tifffile.TiffWriter(path) as writer:
        plain = {"photometric": "rgb", "metadata": None, "software": False}
        if not first:
            writer.write(natural(), extratags=own, **plain)
        more = {"subifds": 1} if below else {}
        writer.write(small, subfiletype=1, extratags=make, **plain, **more)
        if first:
            writer.write(natural(), extratags=own, **plain)
    return path


@pytest.mark.parametrize(("first", "below"), [(True, False), (False, False), (True, True)])
def test_a_flagged_thumbnail_is_not_the_photo(tmp_path, first, below):
    loaded = decode(with_thumbnail(tmp_path / "in.tif", first=first, below=below))
    assert np.array_equal(loaded.photo.to_samples(), natural())
    found = read(io.BytesIO(loaded.metadata.exif))
    assert found.entries[305].data == b"Soft\0"
    if first:
        assert found.entries[271].data == b"Kamera\0"
        assert found.number(274) == 1


def test_two_photos_are_still_two(tmp_path):
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        writer.write(natural((24, 32)), photometric="rgb", subfiletype=1)
        for _ in range(2):
            writer.write(natural(), photometric="rgb")
    with pytest.raises(PhotoError, match="2 pages"):
        decode(tmp_path / "in.tif")


@pytest.mark.parametrize(
    ("code", "words"), [(6, "of before 1995"), (12345, "of a kind that we do not take")]
)
def test_a_compression_that_is_not_taken_is_called_so(tmp_path, code, words):
    tifffile.imwrite(tmp_path / "in.tif", natural(), photometric="rgb", metadata=None)
    data = bytearray((tmp_path / "in.tif").read_bytes())
    at = data.index(struct.pack("<HHI", 259, 3, 1)) + 8
    data[at : at + 2] = struct.pack("<H", code)
    (tmp_path / "in.tif").write_bytes(data)
    with pytest.raises(PhotoError, match=words) as caught:
        decode(tmp_path / "in.tif")
    assert "damaged" not in str(caught.value)
