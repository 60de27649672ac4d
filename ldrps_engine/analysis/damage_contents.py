"""Contents of a photo that help to tell damage from anything else. No torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.casts import FOUND_FROM as CAST_FROM
from ldrps_engine.analysis.casts import find_cast
from ldrps_engine.analysis.faces import Face, find_faces
from ldrps_engine.analysis.monochrome import is_grey
from ldrps_engine.analysis.recognition import TONED_FROM, Recognition, recognise
from ldrps_engine.analysis.resampling import reduce
from ldrps_engine.analysis.samples import Values, display

Array = NDArray[np.float32]

# Long side of the copy that is analysed, in pixels.
_SIDE = 512
# Distance from a face's middle up to which hair belongs to it, relative to its outline.
_HEAD = 1.4


class Contents:
    """A small copy of a photo (H, W, 1 or 3), analysed once its contents are asked for."""

    def __init__(self, whole: Values) -> None:
        self._whole = whole

    @cached_property
    def faces(self) -> tuple[Face, ...]:
        """Faces in it: a glint in an eye and a tooth are bright and small."""
        return find_faces(self._small)

    @property
    def is_graphic(self) -> bool:
        """Tell whether it is a page, a screenshot or a drawing."""
        return self._seen.is_graphic

    @cached_property
    def is_print(self) -> bool:
        """Tell whether it looks like an old print: without colours, toned, faded or with a cast."""
        if is_grey(self._small) or self._seen.probabilities["toned"] > TONED_FROM:
            return True
        return find_cast(self._small, self._seen).probability >= CAST_FROM

    @cached_property
    def _seen(self) -> Recognition:
        return recognise(self._small)

    @cached_property
    def _small(self) -> Array:
        height, width, channels = self._whole.shape
        scale = min(1.0, _SIDE / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        copy = display(self._whole) if scale == 1 else reduce(self._whole, size)
        view = np.clip(copy, 0, 1)
        return view if channels == 3 else np.repeat(view, 3, axis=2)


def heads_of(faces: tuple[Face, ...], size: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Mask (H, W) of faces with the hair around them; None where there are none."""
    return _all_of([face.distance for face in faces], size, lambda far: far < _HEAD)


def features_of(faces: tuple[Face, ...], size: tuple[int, ...]) -> Array | None:
    """Ones (H, W) on eyes, noses and mouths; None where there are none."""
    on = _all_of([face.has_feature_at for face in faces], size, lambda near: near)
    return None if on is None else on.astype(np.float32)


def _all_of(
    tests: list[Callable[[Array, Array], NDArray[Any]]],
    size: tuple[int, ...],
    passes: Callable[[NDArray[Any]], NDArray[np.bool_]],
) -> NDArray[np.bool_] | None:
    """Mask (H, W) of places that pass any test of rows and columns relative to the long side."""
    if not tests:
        return None
    rows, columns = (
        np.asarray((np.arange(side) + 0.5) / max(size[:2]), np.float32) for side in size[:2]
    )
    return np.asarray(
        np.logical_or.reduce([passes(test(rows[:, None], columns[None])) for test in tests])
    )
