"""Compositing: the photo's own pixels, freed from noise, in the tones of the pilot."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.analysis.faces import Face
from ldrps_engine.analysis.monochrome import grey_of
from ldrps_engine.analysis.resampling import resize, resize_part
from ldrps_engine.colour.working import Canvas, neutral
from ldrps_engine.photo import Part, Photo
from ldrps_engine.settings import GREY_LAYERS
from ldrps_engine.transfer.colour_field import ColourField, Smoothness
from ldrps_engine.transfer.kept_faces import KeptFace
from ldrps_engine.transfer.tiles import Tile, common, each, tiles, touching

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Side of the parts that are composed at a time, pixels.
_SIDE = 512
_LEAST_LIGHT = 1 / 16


@dataclass(frozen=True)
class ToneMapping:
    """From the photo's values, freed from noise, to the pilot's. Neutral: no guess, no field.

    The first guess is undone in the values it holds in (light, or display for composed haze);
    what the pilot changes beyond it is a smooth field of maps between display values.
    """

    size: tuple[int, int]
    """(height, width) of the photo."""
    guess: Degradation | None = None
    field: ColourField | None = None
    faces: tuple[KeptFace, ...] = ()
    """Faces, over each of which what the model changes does not vary."""

    @classmethod
    def fit(
        cls,
        rgb: Array,
        guess: Degradation,
        pilot: Array,
        size: tuple[int, int] | None = None,
        faces: tuple[Face, ...] = (),
    ) -> ToneMapping:
        """From the photo (H, W, 3), freed from noise, the pilot (h, w, 3), and its `faces`.

        `size` is (height, width) of the photo; None: `rgb` is not made smaller.
        """
        size = size or (rgb.shape[0], rgb.shape[1])
        if guess.is_neutral:
            return cls(size)
        # The pilot ends at white: a highlight beyond it must not teach the field to darken.
        undone = np.minimum(guess.invert(resize(rgb, pilot.shape[:2])), 1)
        source, target = _channels(undone), _channels(pilot)
        weight = torch.ones_like(source[0])
        field = ColourField.fit(source, target, source.mean(0), weight, Smoothness())
        if not faces:
            return cls(size, guess, field)
        mapped = field.apply(source, source.mean(0)).permute(1, 2, 0).numpy()
        kept = (KeptFace.of(face, undone, mapped) for face in faces)
        return cls(size, guess, field, tuple(filter(None, kept)))

    def part(self, rgb: Array, where: Part) -> tuple[Array, Array]:
        """Map a part of the photo: by the first guess alone, and with the changes of the model."""
        if self.guess is None or self.field is None:
            return rgb, rgb
        undone = self.guess.invert_part(rgb, self.size, where)
        full = _channels(undone)
        mapped = self.field.apply_part(full, full.mean(0), self.size, where)
        restored = mapped.permute(1, 2, 0).numpy()
        for face in self.faces:
            restored = face.keep(undone, restored, self.size, where)
        return undone, restored


@dataclass(frozen=True)
class Composite:
    """One part of the result."""

    where: Part
    restored: Array
    """(h, w, 3) display values."""
    pilot: Array
    """(h, w, 3) the pilot, enlarged."""
    generated: Array
    """(h, w), 0 to 1: how much of `restored` comes from the model and not from the photo."""
    stages: Mapping[str, Array] = field(default_factory=dict)
    """(h, w, 3) display values of the photo after each stage, by its name."""


@dataclass(frozen=True, kw_only=True)
class Compositor:
    """Composes the result of one photo."""

    rgb: Array
    """(H, W, 3), the photo as it came."""
    filtered: Array
    """(H, W, 3), the photo freed from noise."""
    pilot: Array
    """(h, w, 3)."""
    tone_mapping: ToneMapping
    strength: float
    keeps_chroma: bool = False
    """Only lightness is restored: the photo is grey and stays so."""
    pilot_only: bool = False
    """The pilot is the result, as published."""
    damage: Mask | None = None
    """(H, W), true where the photo was damaged and is filled; None: nowhere."""
    filling: float = 1.0
    """Share of what is filled in the result, 0 to 1."""
    repaired: Array | None = None
    """(H, W, 3), the photo without damage and hot pixels; None: as it came."""
    stages: tuple[str, ...] = ()
    """Stages whose picture is wanted, out of STAGES."""
    gives_colours: bool = False
    """The last stage gives the photo colours."""

    def part(self, where: Part) -> Composite:
        """One part of the photo."""
        size = self.rgb.shape[0], self.rgb.shape[1]
        before = self.rgb[where]
        pilot = resize_part(self.pilot, size, where)
        if self.pilot_only:
            measured, restored = np.zeros_like(before), pilot
        else:
            measured, restored = self.tone_mapping.part(self.filtered[where], where)
        filled = np.zeros(1, bool) if self.damage is None else self.damage[where]
        if self.keeps_chroma:
            # A scratch may have colours that a grey photo has not.
            own = np.where(filled[..., None], self.filtered[where], before)
            measured, restored = (neutral(values, own) for values in (measured, restored))
        generated = self.strength * generated_share(measured, restored)
        generated = np.where(filled, np.float32(self.strength * self.filling), generated)
        blended = self._blended(before, restored)
        return Composite(where, blended, pilot, generated, self._after_stages(where, blended))

    def _blended(self, before: Array, after: Array) -> Array:
        # Written so that strengths 0 and 1 give either one exactly.
        return np.asarray((1 - self.strength) * before + self.strength * after, np.float32)

    def _after_stages(self, where: Part, restored: Array) -> dict[str, Array]:
        """The photo after each stage that is wanted; the last one's is the restored photo."""
        if not self.stages:
            return {}
        before = self.rgb[where]
        repaired = before if self.repaired is None else self.repaired[where]
        pictures = {"repaired": repaired, "denoised": self.filtered[where]}
        found = {
            name: self._blended(before, pictures[name]) for name in self.stages if name in pictures
        }
        if "tone-mapped" in self.stages:
            found["tone-mapped"] = grey_of(restored) if self.gives_colours else restored
        if "coloured" in self.stages:
            found["coloured"] = restored
        return found


def generated_share(measured: Array, restored: Array) -> Array:
    """Share of a restored image (H, W, 3) that comes from the model, 0 to 1 for each pixel.

    `measured` is what the photo's own samples give by what was measured about them, without the
    model. The distance of the two, relative to how bright the brighter one is: 0 where the model
    changed nothing, 1 where the photo gave nothing. In black it is relative to dark grey.
    """
    if measured is restored:
        return np.zeros(measured.shape[:2], np.float32)
    own, other = np.clip(measured, 0, 1), np.clip(restored, 0, 1)
    bright = np.maximum(np.maximum(_norm(own), _norm(other)), _LEAST_LIGHT)
    return np.minimum(_norm(other - own) / bright, 1)


class LayerWriter:
    """The layers of one result, filled part by part by any number of threads."""

    def __init__(
        self,
        photo: Photo,
        layers: tuple[str, ...],
        *,
        coloured: bool,
        findings: Mapping[str, Array] | None = None,
        crop: Part | None = None,
    ) -> None:
        """`findings` are maps (h, w, 1) from 0 to 1 of any size, by the names of their layers.

        With a `crop` the layers are of that part of the photo.
        """
        self._size = photo.height, photo.width
        self._crop = crop or (slice(0, photo.height), slice(0, photo.width))
        shown = photo if crop is None else photo.part(crop)
        kept = [name for name in layers if name not in GREY_LAYERS]
        self._canvases = {name: Canvas(shown, coloured=coloured) for name in kept}
        mapped = [name for name in layers if name in GREY_LAYERS]
        area = shown.height, shown.width, 1
        self._maps = {name: np.empty(area, np.uint8) for name in mapped}
        self._findings = findings or {}
        self._pixels = shown.height * shown.width
        self._sums: list[tuple[float, float]] = []

    def put(self, part: Composite) -> None:
        """Fill one part of every layer."""
        rows, columns = (
            slice(wanted.start - of.start, wanted.stop - of.start)
            for wanted, of in zip(part.where, self._crop, strict=True)
        )
        for name, canvas in self._canvases.items():
            shown = {"restored": part.restored, "pilot": part.pilot, **part.stages}
            canvas.put((rows, columns), shown[name])
        for name, drawn in self._maps.items():
            share = part.generated[..., None] if name == "generated" else self._found(name, part)
            drawn[rows, columns] = np.rint(share * 255).astype(np.uint8)
        total, most = part.generated.sum(dtype=np.float64), part.generated.max()
        self._sums.append((float(total), float(most)))

    def photo(self, name: str) -> Photo:
        """One layer, once all parts are filled."""
        if name in self._canvases:
            return self._canvases[name].photo()
        return Photo.from_samples(self._maps[name])

    def _found(self, name: str, part: Composite) -> Array:
        found = resize_part(self._findings[name], self._size, part.where, smooth=True)
        return np.asarray(np.clip(found, 0, 1), np.float32)

    @property
    def generated(self) -> tuple[float, float]:
        """Mean and maximum of the map, 0 to 1."""
        sums, most = zip(*self._sums, strict=True)
        return math.fsum(sums) / self._pixels, max(most)


def parts_to_compose(size: tuple[int, int], crop: Part | None = None) -> list[Tile]:
    """The parts of a photo of (height, width) pixels that are composed one at a time."""
    return touching(tiles(*size, _SIDE, 0), crop)


def compose(
    compositor: Compositor,
    put: Callable[[Composite], None],
    on_part: Callable[[int], None],
    crop: Part | None = None,
) -> None:
    """Compose the whole photo, or a crop.

    `put` receives each part, in any thread; `on_part` receives the number of parts done.
    """

    def one(tile: Tile, _: Callable[[], None]) -> None:
        wanted = common(tile.inner, crop) if crop else tile.inner
        if wanted:
            put(compositor.part(wanted))

    each(parts_to_compose(compositor.rgb.shape[:2], crop), one, on_part)


def _norm(values: Array) -> Array:
    return np.asarray(np.sqrt(np.einsum("hwc,hwc->hw", values, values) / 3), dtype=np.float32)


def _channels(values: Array) -> Tensor:
    return torch.from_numpy(values).permute(2, 0, 1).contiguous()
