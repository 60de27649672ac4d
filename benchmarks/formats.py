"""The tables of docs/reference/formats.md: `python benchmarks/formats.py` writes them.

A photo is written, read, sent over the wire, taken into the engine's colours and out again, sent
back and written, for each format, depth, profile and alpha. Nothing is restored, so that all
that differs is lost. What was written is read by another library than the client's own where
there is one.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
# The tests' profiles and pictures, which are made from scratch there.
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "daemon"), str(ROOT / "proto"), str(ROOT)]

from ldrps_client.files import decode, encode  # noqa: E402
from ldrps_engine.colour.working import from_working, to_working  # noqa: E402
from ldrps_engine.errors import OutputError  # noqa: E402
from ldrps_engine.photo import Depth, Photo  # noqa: E402
from ldrps_wire.conversion import photo_from_wire, photo_to_wire  # noqa: E402
from support import pictures, profiles  # type: ignore[import-not-found]  # noqa: E402

DOCUMENT = ROOT / "docs" / "reference" / "formats.md"
COLOUR = ("none", "srgb", "adobe-rgb", "display-p3", "prophoto", "linear", "adobe-rgb-tables")
GREY = ("none", *profiles.GREYS)
KINDS: tuple[tuple[str, str, tuple[Depth, ...]], ...] = (
    ("JPEG", ".jpg", (Depth.U8,)),
    ("PNG", ".png", (Depth.U8, Depth.U16)),
    ("TIFF", ".tif", tuple(Depth)),
    ("WebP", ".webp", (Depth.U8,)),
    ("AVIF", ".avif", (Depth.U8,)),
)
NAMES = {
    Depth.U8: "8 bit",
    Depth.U16: "16 bit",
    Depth.F16: "16-bit float",
    Depth.F32: "32-bit float",
}


@dataclass(frozen=True)
class Loss:
    """Difference between a photo and its file. Neutral: none."""

    mean: float = 0.0
    """Mean difference of colours, in 8-bit steps."""
    worst: float = 0.0
    alpha: float = 0.0
    """Largest difference of alpha."""
    converted: bool = False
    """True where it came back in sRGB instead of its own profile."""

    def words(self) -> str:
        """Format for the table."""
        parts = [f"{self.mean:.1f}, at most {self.worst:.0f}" if self.worst else "exact"]
        parts += [f"alpha {self.alpha:.0f}"] if self.alpha else []
        parts += ["as sRGB"] if self.converted else []
        return "; ".join(parts)


def photo(depth: Depth, channels: int, profile: bytes) -> Photo:
    """A picture like a photo, floats with highlights up to 4, with a soft mask as its alpha."""
    picture = pictures.natural(96, 128)
    if depth in (Depth.F16, Depth.F32):
        picture = np.where(picture > 0.9, picture * 4, picture)
    colour = picture if channels > 2 else picture[..., :1]
    y, x = np.mgrid[:96, :128]
    mask = np.clip(1.2 - np.hypot(y - 48, x - 64) / 50, 0, 1)[..., None]
    values = np.concatenate([colour, mask], axis=-1) if channels in (2, 4) else colour
    samples = values * depth.peak
    if depth in (Depth.U8, Depth.U16):
        samples = np.rint(samples)
    return Photo.from_samples(samples.astype(depth.dtype), profile)


def loss(given: Photo, ending: str, folder: Path) -> Loss | None:
    """Measure the loss of a photo from file to file; None if that kind of file cannot hold it."""
    first, last = folder / f"first{ending}", folder / f"last{ending}"
    try:
        encode(first, given, force=True)
    except OutputError:
        return None
    loaded = decode(first)
    raster, data = photo_to_wire(loaded.photo)
    there = photo_from_wire(raster, data)
    raster, data = photo_to_wire(from_working(to_working(there), there))
    encode(last, photo_from_wire(raster, data), like=loaded, force=True)
    # Lossy kinds lose once when a photo is written; what a second generation adds is theirs too.
    back = _elsewhere(last, given.to_samples().shape)
    profile = decode(last).photo.icc_profile
    return _compared(given, Photo.from_samples(back, profile))


def _elsewhere(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """The samples as other programs read them."""
    import imagecodecs
    import tifffile
    from PIL import Image

    if path.suffix == ".tif":
        samples = tifffile.imread(path)
    elif path.suffix == ".png":
        samples = imagecodecs.png_decode(path.read_bytes())
    else:
        with Image.open(path) as image:
            samples = np.asarray(image)
    if samples.ndim == 3 and samples.shape[2] > shape[2]:
        # WebP and AVIF know no grey: three equal channels are one.
        samples = np.concatenate([samples[..., :1], samples[..., 3:]], axis=-1)
    return np.asarray(samples).reshape(shape)


def _compared(given: Photo, back: Photo) -> Loss:
    if converted := given.icc_profile != back.icc_profile:
        # By what they look like, where the numbers mean different things.
        given, back = (p.with_pixels(to_working(p)) for p in (given, back))
    off = 255 * np.abs(given.pixels.astype(np.float64) - back.pixels)
    return Loss(
        mean=float(off.mean()),
        worst=float(off.max()),
        alpha=float(255 * np.abs(_alpha(given) - _alpha(back)).max()),
        converted=converted,
    )


def _alpha(photo: Photo) -> NDArray[np.float64]:
    """Transparency from 0 to 1; one zero for an opaque photo."""
    if photo.alpha is None:
        return np.zeros((1, 1))
    return photo.alpha.astype(np.float64) / photo.depth.peak


def rows(channels: tuple[int, ...], named: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Lines of a table: what the photo is, and a cell for each profile."""
    known = {"none": b"", **profiles.KNOWN, **profiles.GREYS}
    with tempfile.TemporaryDirectory() as name:
        for kind, ending, depths in KINDS:
            for depth in depths:
                for count in channels:
                    alpha = ", alpha" if count in (2, 4) else ""
                    found = [loss(photo(depth, count, known[p]), ending, Path(name)) for p in named]
                    cells = [each.words() if each else "refused" for each in found]
                    yield f"{kind}, {NAMES[depth]}{alpha}", cells


def table(channels: tuple[int, ...], named: tuple[str, ...]) -> str:
    """A Markdown table; profiles that lose the same share a column's worth of words."""
    lines = ["| | " + " | ".join(named) + " |", "|---" * (len(named) + 1) + "|"]
    lines += [f"| {what} | " + " | ".join(cells) + " |" for what, cells in rows(channels, named)]
    return "\n".join(lines) + "\n"


def with_tables(document: str) -> str:
    """The document with both tables between their marks replaced."""
    for mark, channels, named in (("colour", (3, 4), COLOUR), ("grey", (1, 2), GREY)):
        start, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
        before, rest = document.split(start)
        document = before + start + table(channels, named) + end + rest.split(end)[1]
    return document


def main() -> int:
    """Rewrite docs/reference/formats.md in place."""
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
