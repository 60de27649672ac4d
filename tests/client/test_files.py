"""Reading and writing photo files: what goes in comes out, and belongs to it stays with it."""

import struct
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from ldrps_client.files import Format, decode, encode, write_comparison
from ldrps_engine.errors import PhotoError
from ldrps_engine.photo import Depth, Photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="6"/></x:xmpmeta>'
EXIF_DIRECTORY, EXPOSURE_TIME, MAKE, ORIENTATION, ARTIST = 34665, 33434, 271, 274, 315


def exif_bytes(orientation=1):
    exif = Image.Exif()
    exif[MAKE], exif[ARTIST], exif[ORIENTATION] = "Kamera", "Ada", orientation
    exif.get_ifd(EXIF_DIRECTORY)[EXPOSURE_TIME] = 0.02
    exif[EXIF_DIRECTORY] = exif.get_ifd(EXIF_DIRECTORY)
    return exif.tobytes()


def samples(depth, channels, size=(37, 53)):
    values = np.random.default_rng(channels).random((*size, channels)) * depth.peak
    return values.astype(depth.dtype)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("ending", "depth"),
    [
        (".png", Depth.U8),
        (".png", Depth.U16),
        (".tif", Depth.U8),
        (".tif", Depth.U16),
        (".tif", Depth.F16),
        (".tif", Depth.F32),
    ],
)
def test_round_trips_are_exact(tmp_path, ending, depth, channels):
    given = samples(depth, channels)
    path = tmp_path / f"photo{ending}"
    encode(path, Photo.from_samples(given))
    back = decode(path)
    assert back.photo.depth is depth
    assert np.array_equal(back.photo.to_samples(), given)


@pytest.mark.parametrize("compression", ["none", "lzw", "zlib", "zstd"])
@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_tiffs_of_others(tmp_path, compression, tile):
    given = samples(Depth.U16, 3)
    path = tmp_path / "in.tif"
    tifffile.imwrite(
        path,
        given,
        photometric="rgb",
        compression=None if compression == "none" else compression,
        tile=tile,
        bigtiff=True,
        byteorder=">",
    )
    loaded = decode(path)
    assert np.array_equal(loaded.photo.to_samples(), given)
    encode(tmp_path / "out.tif", loaded.photo, like=loaded)
    assert decode(tmp_path / "out.tif").encoding.compression == compression


def test_planes_and_white_as_zero(tmp_path):
    given = samples(Depth.U8, 3)
    planes = np.moveaxis(given, -1, 0)
    tifffile.imwrite(tmp_path / "p.tif", planes, photometric="rgb", planarconfig="separate")
    assert np.array_equal(decode(tmp_path / "p.tif").photo.to_samples(), given)
    tifffile.imwrite(tmp_path / "w.tif", given[..., 0], photometric="miniswhite")
    assert np.array_equal(
        decode(tmp_path / "w.tif").photo.to_samples()[..., 0], 255 - given[..., 0]
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", [".png", ".tif", ".webp"])
def test_orientation_is_applied_to_the_pixels(tmp_path, pixels, orientation, ending):
    turned = Image.fromarray(pixels)
    path = tmp_path / f"in{ending}"
    options = {"lossless": True} if ending == ".webp" else {}
    turned.save(path, exif=exif_bytes(orientation), **options)
    loaded = decode(path)
    with Image.open(path) as image:
        from PIL import ImageOps

        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(loaded.photo.to_samples(), expected)
    encode(tmp_path / "out.png", loaded.photo, like=loaded)
    with Image.open(tmp_path / "out.png") as image:
        assert image.getexif().get(ORIENTATION, 1) == 1


@pytest.mark.parametrize("target", [".jpg", ".png", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("source", [".jpg", ".png", ".webp", ".avif"])
def test_metadata_travels(tmp_path, pixels, source, target):
    path = tmp_path / f"in{source}"
    options = {} if source == ".png" else {"xmp": XMP}
    Image.fromarray(pixels).save(
        path, exif=exif_bytes(6), icc_profile=SRGB, dpi=(300, 300), **options
    )
    loaded = decode(path)
    out = tmp_path / f"out{target}"
    encode(out, loaded.photo, like=loaded)
    back = decode(out)
    assert back.photo.icc_profile == SRGB
    assert b'tiff:Orientation="6"' not in back.metadata.xmp
    assert back.metadata.xmp == loaded.metadata.xmp
    assert bool(back.metadata.xmp) == (source != ".png")
    with Image.open(out) as image:
        exif = image.getexif()
        assert (exif[MAKE], exif[ARTIST]) == ("Kamera", "Ada")
        assert exif.get_ifd(EXIF_DIRECTORY)[EXPOSURE_TIME] == pytest.approx(0.02)
    if {source, target} <= {".jpg", ".png", ".tif"}:
        assert back.metadata.dpi == pytest.approx((300, 300), abs=0.1)


def test_exif_travels_from_tiff_to_tiff(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "in.tif", exif=exif_bytes(), dpi=(240, 240))
    loaded = decode(tmp_path / "in.tif")
    encode(tmp_path / "out.tif", loaded.photo, like=loaded)
    with Image.open(tmp_path / "out.tif") as image:
        assert image.getexif()[ARTIST] == "Ada"
        assert image.getexif().get_ifd(EXIF_DIRECTORY)[EXPOSURE_TIME] == pytest.approx(0.02)
    assert decode(tmp_path / "out.tif").metadata.dpi == pytest.approx((240, 240))


def test_broken_exif_does_not_cost_the_photo(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "in.jpg", exif=b"Exif\0\0II*\0\xff\xff\0\0")
    assert decode(tmp_path / "in.jpg").metadata.exif == b""


@pytest.mark.parametrize("quality", [60, 85, 97])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpegs_are_compressed_like_their_source(
    tmp_path, pixels, quality, subsampling, progressive
):
    path = tmp_path / "in.jpg"
    options = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
    Image.fromarray(pixels).save(path, **options)
    loaded = decode(path)
    encode(tmp_path / "out.jpg", Photo.from_samples(255 - pixels), like=loaded)
    back = decode(tmp_path / "out.jpg").encoding
    assert back.coded != loaded.encoding.coded
    assert replace(back, coded=b"") == replace(loaded.encoding, coded=b"")


def test_lossless_webp_stays_lossless(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "in.webp", lossless=True, icc_profile=SRGB)
    loaded = decode(tmp_path / "in.webp")
    encode(tmp_path / "out.webp", loaded.photo, like=loaded)
    assert np.array_equal(decode(tmp_path / "out.webp").photo.to_samples(), pixels)


def test_depth_is_reduced_to_what_the_kind_of_file_holds(tmp_path):
    deep = Photo.from_samples(samples(Depth.F32, 4))
    for ending, depth in [(".png", Depth.U16), (".webp", Depth.U8), (".tif", Depth.F32)]:
        encode(tmp_path / f"a{ending}", deep)
        back = decode(tmp_path / f"a{ending}").photo
        assert back.depth is depth
        assert back.alpha is not None
        assert np.abs(back.alpha / depth.peak - deep.alpha).max() <= 1 / 255


def test_the_first_bytes_decide_and_not_the_name(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "in.jpg", format="PNG")
    assert decode(tmp_path / "in.jpg").format is Format.PNG


def test_one_transparent_colour_becomes_alpha(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "in.png", transparency=(0, 0, 0))
    alpha = decode(tmp_path / "in.png").photo.alpha
    assert alpha is not None
    assert alpha[0, 0] == 0
    assert alpha[-1, -1] == 255


def test_interlaced_16_bit_png(tmp_path):
    """Seven-pass PNGs are decoded by libpng in full, not by their first pass."""
    rgb = samples(Depth.U16, 3, (24, 24))
    path = tmp_path / "in.png"
    encode(path, Photo.from_samples(rgb))
    path.write_bytes(interlaced(rgb))
    assert np.array_equal(decode(path).photo.to_samples(), rgb)


def interlaced(rgb):
    import zlib

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    rows = b""
    for top, left, down, across in [*passes, (1, 0, 2, 1)]:
        for row in rgb[top::down, left::across]:
            rows += b"\0" + row.astype(">u2").tobytes()
    header = struct.pack(">IIBBBBB", rgb.shape[1], rgb.shape[0], 16, 2, 0, 0, 1)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_before_and_after_side_by_side(tmp_path, pixels):
    before = Photo.from_samples(pixels)
    write_comparison(tmp_path / "both.png", before, before.with_pixels(1 - before.pixels))
    with Image.open(tmp_path / "both.png") as sheet:
        both = np.asarray(sheet)
    assert both.shape == (48, 64 * 2 + 8, 3)
    assert np.array_equal(both[:, :64], pixels)
    assert np.array_equal(both[:, -64:], 255 - pixels)


def test_a_jpeg_that_says_it_is_large_and_holds_next_to_nothing(tmp_path, pixels):
    """Found by the fuzzer: decoders fill up what is missing, and the larger the slower."""
    path = tmp_path / "in.jpg"
    Image.fromarray(pixels).save(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 9000, 9000)
    path.write_bytes(data)
    with pytest.raises(PhotoError, match="incomplete"):
        decode(path)
    # The emptiest that there is passes.
    Image.new("L", (4096, 4096)).save(path, optimize=True, progressive=True)
    assert decode(path).photo.width == 4096
