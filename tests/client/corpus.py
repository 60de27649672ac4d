"""Small files of every kind we read, with all the metadata they can carry."""

import hashlib
import io
import struct
import zlib
from importlib.util import find_spec
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from ldrps_client.files import Metadata, encode
from ldrps_engine.photo import Depth, Photo
from support import profiles

EXIF_DIRECTORY, EXPOSURE_TIME, MAKE, ORIENTATION = 34665, 33434, 271, 274
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    b'dc:format="image/x"/></rdf:RDF></x:xmpmeta>'
)
IPTC = b"\x1c\x02\x19\0\x06bridge\x1c\x02P\0\x03Ada"


def exif_bytes(orientation=6):
    """A little EXIF."""
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = "Kamera", orientation
    exif[EXIF_DIRECTORY] = {EXPOSURE_TIME: 0.02}
    return exif.tobytes()


def samples(depth, channels, size=(18, 22)):
    """Noise."""
    values = np.random.default_rng(channels).random((*size, channels)) * depth.peak
    return values.astype(depth.dtype)


def _pillow(kind, mode="RGB", **options):
    image = Image.fromarray(samples(Depth.U8, 3)).convert(mode)
    profile = profiles.KNOWN["adobe-rgb"] if mode == "RGB" else b""
    buffer = io.BytesIO()
    image.save(buffer, kind, exif=exif_bytes(), icc_profile=profile, **options)
    return buffer.getvalue()


def _tiff(depth=Depth.U8, channels=3, **options):
    buffer = io.BytesIO()
    given = samples(depth, channels, (40, 40))
    squeezed = given[..., 0] if channels == 1 else given
    options = {"photometric": "rgb" if channels > 2 else "minisblack", **options}
    tifffile.imwrite(buffer, squeezed, iccprofile=profiles.KNOWN["display-p3"], **options)
    return buffer.getvalue()


def _ours(folder, ending, depth, channels):
    path = Path(folder) / f"ours{ending}"
    metadata = Metadata(
        exif=exif_bytes()[6:],
        xmp=XMP,
        iptc=IPTC,
        texts=(("Comment", "said"), ("Author", "Ada")),
        comments=(b"Z\xfcrich", b"again"),
        dpi=(300.0, 300.0),
    )
    photo = Photo.from_samples(samples(depth, channels), profiles.KNOWN["adobe-rgb"])
    encode(path, photo, metadata=metadata, force=True)
    return path.read_bytes()


def _extended():
    """A JPEG whose XMP goes on in a segment of its own."""
    digest = hashlib.md5(XMP).hexdigest().upper().encode()
    body = b"http://ns.adobe.com/xmp/extension/\0" + digest + struct.pack(">II", len(XMP), 0) + XMP
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    note = b' xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="' + digest + b'" '
    return _pillow("JPEG", xmp=XMP.replace(b' rdf:about=""', note), extra=segment)


def _with_notes():
    """A PNG of a palette, with texts of every kind and colours stated by number."""
    data = _pillow("PNG", "P", transparency=3)
    kinds = [
        (b"cICP", bytes([12, 13, 0, 1])),
        (b"gAMA", struct.pack(">I", 45_455)),
        (b"cHRM", struct.pack(">8I", *[31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000])),
        (b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
        (b"tEXt", b"transparency\0one"),
        (b"zTXt", b"comment\0\0" + zlib.compress(b"two")),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)),
    ]
    chunks = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in kinds
    ]
    return data[:33] + b"".join(chunks) + data[33:]


def _heif(folder):
    """Encode as HEIF, where the optional library is there."""
    if not find_spec("pillow_heif"):
        return {}
    import pillow_heif

    image = Image.fromarray(samples(Depth.U8, 3, (40, 40)))
    path = Path(folder) / "made.heic"
    pillow_heif.from_pillow(image).save(path, exif=exif_bytes(), xmp=XMP)
    return {"plain.heic": path.read_bytes()}


def corpus(folder):
    """Files by name, made again; `folder` is for the ones that are written on the way."""
    made = _heif(folder) | {
        "plain.jpg": _pillow("JPEG", quality=80),
        "progressive.jpg": _pillow("JPEG", progressive=True, subsampling=2),
        "grey.jpg": _pillow("JPEG", "L"),
        "extended.jpg": _extended(),
        "plain.png": _pillow("PNG"),
        "alpha.png": _pillow("PNG", "RGBA"),
        "notes.png": _with_notes(),
        "cmyk.jpg": _pillow("JPEG", "CMYK"),
        "nclx.avif": imagecodecs.avif_encode(
            samples(Depth.U8, 3), primaries=12, transfer=13, matrix=6
        ),
        "cmyk.tif": _tiff(Depth.U16, 4, photometric="separated", compression="lzw"),
        "palette.tif": _pillow("TIFF", "P"),
        "tiled-jpeg.tif": _tiff(compression="jpeg", tile=(16, 16)),
        "transparent.png": _pillow("PNG", transparency=(0, 0, 0)),
        "lossy.webp": _pillow("WEBP"),
        "lossless.webp": _pillow("WEBP", "RGBA", lossless=True),
        "plain.avif": _pillow("AVIF"),
        "deep.avif": imagecodecs.avif_encode(samples(Depth.U16, 3) >> 6, bitspersample=10),
        "alpha.avif": _pillow("AVIF", "RGBA"),
        "pillow.tif": _pillow("TIFF"),
        "plain.tif": _tiff(),
        "tiles.tif": _tiff(Depth.U16, tile=(16, 16), compression="zlib", predictor=True),
        "big.tif": _tiff(Depth.F32, bigtiff=True, byteorder=">"),
        "half.tif": _tiff(Depth.F16, 1),
        "zstd.tif": _tiff(Depth.U8, 4, compression="zstd", extrasamples=["assocalpha"]),
        "planes.tif": _tiff(Depth.U16, 3, compression="lzw"),
        "jpeg.tif": _tiff(compression="jpeg"),
    }
    for ending, depth, channels in [
        (".jpg", Depth.U8, 3),
        (".png", Depth.U16, 4),
        (".tif", Depth.F32, 4),
        (".tif", Depth.U16, 2),
        (".webp", Depth.U8, 4),
        (".avif", Depth.U8, 3),
    ]:
        made[f"ours-{depth.value}-{channels}{ending}"] = _ours(folder, ending, depth, channels)
    return made
