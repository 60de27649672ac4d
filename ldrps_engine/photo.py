"""A photo in memory: float pixels, the depth they came in, alpha and colour profile. No torch."""

from __future__ import annotations

from copy import copy
from enum import Enum
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.errors import LimitError, PhotoError, SettingsError

MIN_SIDE = 16
MAX_SIDE = 65_535
MAX_PIXELS = 100_000_000
MAX_ASPECT = 64
_STRIP = 1 << 20
_HALF_MAX = 65_504.0
_SAMPLED = 512
# Largest share of a photo that a mask may cover: the rest is what it is filled from.
_MOST_DAMAGE = 0.75

Samples = NDArray[np.generic]
Mask = NDArray[np.bool_]
Part = tuple[slice, slice]
"""Rows and columns of an image, with a start and a stop each."""


class Depth(Enum):
    """Sample types a photo can come in and go back out as; the value is numpy's dtype name."""

    U8 = "uint8"
    U16 = "uint16"
    F16 = "float16"
    F32 = "float32"

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The numpy dtype of the samples, little-endian."""
        return np.dtype(self.value).newbyteorder("<")

    @property
    def peak(self) -> float:
        """The sample value that means 1.0."""
        return {"uint8": 255.0, "uint16": 65535.0}.get(self.value, 1.0)


class Photo:
    """Display-encoded pixels of one photo. Neutral: no alpha, no profile (read as sRGB).

    Not to be changed once made. Keeps what it was made of, samples or pixels, and computes the
    other each time it is asked for: floats of 8-bit samples take four times their memory.
    """

    def __init__(
        self,
        pixels: NDArray[np.float32],
        depth: Depth = Depth.U8,
        alpha: Samples | None = None,
        icc_profile: bytes = b"",
    ) -> None:
        """Make a photo from pixels (H, W, 1 or 3), and alpha (H, W) in the depth's own samples."""
        self._pixels: NDArray[np.float32] | None = pixels
        self._samples: Samples | None = None
        self._shape: tuple[int, ...] = pixels.shape
        self.depth = depth
        """Sample type to give the result back in."""
        self.alpha = alpha
        """(H, W) in the depth's own samples, carried through untouched; None if opaque."""
        self.icc_profile = icc_profile
        """Embedded profile, carried through; empty if there was none."""
        self.damage: Mask | None = None
        """(H, W), true where the photo is damaged and to be filled; None if nowhere."""

    @property
    def pixels(self) -> NDArray[np.float32]:
        """(H, W, 3) for colour or (H, W, 1) for grey; 0 is black, 1 white; floats may exceed 1."""
        if self._pixels is not None:
            return self._pixels
        assert self._samples is not None
        colour = self._samples[..., : self._shape[2]]
        return np.divide(colour, np.float32(self.depth.peak), dtype=np.float32)

    @property
    def held(self) -> Samples | None:
        """Samples (H, W, channels) that it was made of; None where it was made of pixels."""
        return self._samples

    @property
    def width(self) -> int:
        """Pixels across."""
        return self._shape[1]

    @property
    def height(self) -> int:
        """Pixels down."""
        return self._shape[0]

    @property
    def is_grey(self) -> bool:
        """Tell whether there is one channel only."""
        return self._shape[2] == 1

    @classmethod
    def from_samples(cls, samples: Samples, icc_profile: bytes = b"") -> Photo:
        """Make a photo from (H, W) or (H, W, 1..4) samples: grey, grey+alpha, RGB or RGBA.

        Raises PhotoError for other layouts and types or samples that are not finite,
        LimitError for sizes we do not take.
        """
        if samples.ndim == 2:
            samples = samples[..., None]
        if samples.ndim != 3 or not 1 <= samples.shape[2] <= 4:
            raise PhotoError(f"pixels have the shape {samples.shape}; give 1 to 4 channels")
        depth = next((d for d in Depth if d.value == samples.dtype.name), None)
        if depth is None:
            raise PhotoError(
                f"samples are {samples.dtype.name}; use uint8, uint16, float16 or float32"
            )
        check_size(samples.shape[1], samples.shape[0])
        # Not by `__init__`, which would make floats of the samples at once.
        photo = cls.__new__(cls)
        photo._pixels, photo._samples = None, samples.astype(depth.dtype, copy=False)
        photo._shape = (*samples.shape[:2], 1 if samples.shape[2] < 3 else 3)
        photo.depth, photo.icc_profile, photo.damage = depth, icc_profile, None
        photo.alpha = samples[..., -1] if samples.shape[2] in (2, 4) else None
        if depth in (Depth.F16, Depth.F32) and not photo._is_finite(samples):
            raise PhotoError("pixels hold NaN or infinity; replace them before restoring")
        return photo

    def identity(self) -> bytes:
        """Digest of all that makes it this photo: samples, profile, damage."""
        digest = blake2b(repr((self._shape, self.depth)).encode(), digest_size=32)
        digest.update(np.ascontiguousarray(self.to_samples()).data)
        digest.update(self.icc_profile)
        if self.damage is not None:
            # An eighth of the bytes to hash.
            digest.update(np.packbits(self.damage).data)
        return digest.digest()

    def with_pixels(self, pixels: NDArray[np.float32]) -> Photo:
        """The same photo with other pixels (H, W, 1 or 3); depth, alpha and profile stay."""
        return Photo(pixels, self.depth, self.alpha, self.icc_profile)

    def part(self, where: tuple[slice, slice]) -> Photo:
        """These rows and columns of it."""
        other = copy(self)
        if self._pixels is not None:
            other._pixels = self._pixels[where]
        if self._samples is not None:
            other._samples = self._samples[where]
        of = zip(where, self._shape[:2], strict=True)
        sides = (len(range(*wanted.indices(side))) for wanted, side in of)
        other._shape = (*sides, self._shape[2])
        other.alpha = None if self.alpha is None else self.alpha[where]
        other.damage = None if self.damage is None else self.damage[where]
        return other

    def with_profile(self, icc_profile: bytes) -> Photo:
        """The same samples in the space of another profile."""
        other = copy(self)
        other.icc_profile = icc_profile
        return other

    def with_damage(self, mask: Mask) -> Photo:
        """The same photo with a mask (H, W) of what is damaged; SettingsError if it cannot be."""
        check_damage(mask, self.width, self.height)
        other = copy(self)
        other.damage = mask
        return other

    def to_samples(self) -> Samples:
        """(H, W, channels) in the photo's own depth, rounded to nearest, alpha appended.

        May be what the photo itself holds: to be copied before it is written to.
        """
        if self._samples is not None:
            return self._samples
        # Strip by strip: rounding all of a large photo would need its floats twice.
        samples: Samples = np.empty((*self._shape[:2], self.channels), self.depth.dtype)
        pixels = self.pixels
        for strip in self._strips():
            samples[strip, :, : self._shape[2]] = self._rounded(pixels[strip])
        if self.alpha is not None:
            samples[..., -1] = self.alpha
        return samples

    @property
    def channels(self) -> int:
        """Samples of a pixel, alpha included."""
        return self._shape[2] + (self.alpha is not None)

    def _strips(self) -> list[slice]:
        rows = max(1, _STRIP // (self.width * self.channels))
        return [slice(top, top + rows) for top in range(0, self.height, rows)]

    def _is_finite(self, samples: Samples) -> bool:
        colour = samples[..., : self._shape[2]]
        return all(bool(np.isfinite(colour[strip]).all()) for strip in self._strips())

    def _rounded(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        values = pixels * np.float32(self.depth.peak)
        if self.depth in (Depth.U8, Depth.U16):
            values = np.clip(np.rint(values), 0, self.depth.peak)
        # A half float's largest; beyond it there is only infinity.
        if self.depth is Depth.F16:
            values = np.clip(values, -_HALF_MAX, _HALF_MAX)
        return values


def check_white(photo: Photo) -> None:
    """Refuse floats most of which are above white: they are counted in something else.

    A few may be, as light sources are in scenes.
    """
    if photo.depth not in (Depth.F16, Depth.F32):
        return
    # A few hundred thousand samples are enough for a median that is compared with white.
    step = max(1, min(photo.width, photo.height) // _SAMPLED)
    looked_at = photo.to_samples()[::step, ::step, : 1 if photo.is_grey else 3]
    # In doubles: a half float's sums overflow.
    middle = float(np.median(looked_at.astype(np.float64)))
    if middle > 1:
        raise PhotoError(
            f"half of its samples are above {middle:.4g}, where 0 is black and 1 is white; "
            "divide them by what white is, such as 255 or 65535"
        )


def check_damage(mask: Mask, width: int, height: int) -> None:
    """Refuse a mask of damage that does not fit a photo, or leaves nothing to do or to fill from.

    Raises SettingsError.
    """
    if mask.shape != (height, width):
        rows, columns = mask.shape
        raise SettingsError(
            f"damage: the mask is {columns}x{rows} and the photo {width}x{height}; "
            "give a mask of the photo's own size"
        )
    share = float(mask.mean())
    if share == 0:
        raise SettingsError("damage: the mask marks nothing; make what is damaged white in it")
    if share > _MOST_DAMAGE:
        raise SettingsError(
            f"damage: the mask covers {share:.0%} of the photo, at most {_MOST_DAMAGE:.0%} can be "
            "filled from the rest; make only what is damaged white in it"
        )


def check_size(width: int, height: int) -> None:
    """Refuse sizes outside 16x16 .. 100 megapixels before anything is allocated."""
    if min(width, height) < MIN_SIDE:
        raise LimitError(
            f"the photo is {width}x{height}; both sides need {MIN_SIDE} pixels or more"
        )
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise LimitError(
            f"the photo is {width}x{height}; at most {MAX_PIXELS // 10**6} megapixels "
            f"and {MAX_SIDE} pixels a side can be restored"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise LimitError(f"the photo is {width}x{height}; sides may differ {MAX_ASPECT}-fold")
