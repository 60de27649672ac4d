"""The picture inside a frame taken out as a photo of its own, and put back into it. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.amounts import proposed_amounts
from ldrps_engine.analysis.damage import look_for_damage
from ldrps_engine.analysis.diagnosis import Diagnosis, diagnose
from ldrps_engine.analysis.frame import Frame, find_frame
from ldrps_engine.analysis.rectangle import Rectangle
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.analysis.samples import Values
from ldrps_engine.colour.working import from_working, plain_bytes, to_working
from ldrps_engine.errors import SettingsError
from ldrps_engine.photo import MIN_SIDE, Photo
from ldrps_engine.progress import Diagnosed, Progress, Step
from ldrps_engine.result import Restoration
from ldrps_engine.settings import GREY_LAYERS, Settings

Picture = NDArray[np.uint8]

# Long side of a preview, pixels.
_PREVIEW = 256


def diagnose_photo(photo: Photo, recipe: str = "auto", noise: float | None = None) -> Diagnosis:
    """Measure the picture inside a photo's frame; see `diagnose`."""
    inset = Inset.of(photo)
    rgb = _values(inset.picture)
    alpha, believed = inset.picture.alpha, recipe == "old-photo"
    visible = None if alpha is None else alpha != 0
    found = diagnose(rgb, recipe, noise, mounted=inset.is_mounted)
    if recipe != "paper":
        found = found.with_damage(look_for_damage(rgb, visible, believed=believed, stains=False))
    found = replace(found, amounts=proposed_amounts(found, Settings(recipe=recipe)))
    return replace(found, inner=inset.frame.rectangle) if inset.frame else found


def _values(picture: Photo) -> Values:
    """Return a picture's samples for measuring: its bytes, if floats would tell no more."""
    plain = plain_bytes(picture)
    if plain is not None:
        return plain
    rgb = to_working(picture)
    return np.clip(rgb, 0, 1) if rgb.min() < 0 or rgb.max() > 1 else rgb


@dataclass(frozen=True)
class Inset:
    """A photo and the place of the picture in it. Without a frame the picture is the photo."""

    whole: Photo
    frame: Frame | None

    @classmethod
    def of(cls, photo: Photo) -> Inset:
        """The picture inside the frame that the photo has, if it has one."""
        return cls(photo, find_frame(photo))

    @property
    def picture(self) -> Photo:
        """The picture alone; parts of its rectangle that belong to the frame are invisible."""
        if self.frame is None:
            return self.whole
        part = self.whole.part(self.frame.rectangle.part)
        if self.frame.mask is None:
            return part
        samples, colours = part.to_samples(), 1 if part.is_grey else 3
        opaque = np.asarray(part.depth.peak).astype(part.depth.dtype)
        alpha = np.where(self.frame.mask, opaque if part.alpha is None else part.alpha, 0)
        # Invisible pixels count for nothing, and come back as they were.
        shown = alpha[..., None].astype(part.depth.dtype)
        return Photo.from_samples(
            np.concatenate([samples[..., :colours], shown], 2), part.icc_profile
        )

    @property
    def is_mounted(self) -> bool:
        """Tell whether the picture leaves corners of its rectangle free: ovals, torn corners."""
        return self.frame is not None and self.frame.mask is not None

    def place_of(self, crop: Rectangle) -> Rectangle:
        """Place of a crop of the photo in the picture; SettingsError if it is nearly all frame."""
        if self.frame is None:
            return crop
        place = crop.common(self.frame.rectangle)
        if place is None or min(place.width, place.height) < MIN_SIDE:
            raise SettingsError(
                "crop lies in the photo's border, which stays as it is; give one of the picture"
            )
        return place

    def cropped(self, crop: Rectangle) -> Inset:
        """A crop of the photo as a photo of its own, including the part of the frame in it."""
        part = self.whole.part(crop.part)
        if self.frame is None:
            return Inset(part, None)
        place, box = self.place_of(crop), self.frame.rectangle
        mask = None if self.frame.mask is None else self.frame.mask[place.part]
        left, top = box.left + place.left - crop.left, box.top + place.top - crop.top
        inner = Rectangle(left, top, place.width, place.height)
        return Inset(part, Frame(inner, mask))

    def restored(self, inside: Restoration, seconds: float) -> Restoration:
        """The restoration of the photo, from that of the picture, which took `seconds`."""
        if self.frame is None:
            return replace(inside, seconds=seconds)
        box = self.frame.rectangle
        share = box.width * box.height / (self.whole.width * self.whole.height)
        layers = (
            replace(layer, photo=self._around_map(layer.photo))
            if layer.name in GREY_LAYERS
            else replace(layer, photo=self._around(layer.photo))
            for layer in inside.layers
        )
        return replace(
            inside,
            layers=tuple(layers),
            diagnosis=replace(inside.diagnosis, inner=box),
            generated=(share * inside.generated[0], inside.generated[1]),
            seconds=seconds,
        )

    def _around(self, layer: Photo) -> Photo:
        """A layer of the picture with the frame around it; the frame is the photo's to the bit."""
        assert self.frame is not None
        whole = self.whole
        # A picture that has gained colours is sRGB, so its surroundings have to be too.
        if whole.is_grey and not layer.is_grey:
            whole = from_working(to_working(whole), whole, coloured=True)
        samples, colours = whole.to_samples().copy(), 1 if layer.is_grey else 3
        samples[self.frame.rectangle.part][..., :colours] = layer.to_samples()[..., :colours]
        return Photo.from_samples(samples, layer.icc_profile)

    def _around_map(self, layer: Photo) -> Photo:
        """A map of the picture with 0 around it: nothing of the frame was generated."""
        assert self.frame is not None
        samples = np.zeros((self.whole.height, self.whole.width, 1), layer.depth.dtype)
        inside = samples[self.frame.rectangle.part]
        inside[:] = layer.to_samples()
        if self.frame.mask is not None:
            inside[~self.frame.mask] = 0
        return Photo.from_samples(samples)

    def of_whole(self, progress: Progress) -> Progress:
        """Progress of work on the picture, as that of the photo as a whole."""
        if self.frame is None:
            return progress
        if isinstance(progress, Diagnosed):
            return Diagnosed(replace(progress.diagnosis, inner=self.frame.rectangle))
        if isinstance(progress, Step) and progress.preview:
            return replace(progress, preview=self._preview(progress.preview))
        return progress

    def _preview(self, inside: Callable[[], Picture]) -> Callable[[], Picture]:
        return lambda: self._around_preview(inside())

    def _around_preview(self, inside: Picture) -> Picture:
        assert self.frame is not None
        long = max(self.whole.width, self.whole.height)
        step = max(1, long // (2 * _PREVIEW))
        coarse = to_working(self.whole.part((slice(None, None, step), slice(None, None, step))))
        scale = min(1.0, _PREVIEW / long)
        size = max(1, round(self.whole.height * scale)), max(1, round(self.whole.width * scale))
        picture = _bytes(resize(coarse, size))
        box = self.frame.rectangle
        top, left = round(box.top * scale), round(box.left * scale)
        inner = max(1, round(box.height * scale)), max(1, round(box.width * scale))
        place = picture[top : top + inner[0], left : left + inner[1]]
        shown = _bytes(
            resize(np.divide(inside, 255, dtype=np.float32), (place.shape[0], place.shape[1]))
        )
        if self.frame.mask is None:
            place[:] = shown
            return picture
        mask = resize(
            self.frame.mask[..., None].astype(np.float32),
            (place.shape[0], place.shape[1]),
            smooth=True,
        )
        place[:] = np.where(mask > 0.5, shown, place)
        return picture


def _bytes(values: NDArray[np.float32]) -> Picture:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
