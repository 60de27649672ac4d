"""Common ground of all outputs. Until the last moment nothing of the image is touched.

GIMP may end this process between any two calls. So a result is built where it is no part of the
image yet, and comes in by one call, or by one undo group that nothing waits in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from gi.repository import Gimp

from ldrps_gimp.errors import RestoreError
from ldrps_gimp.generated import Map
from ldrps_gimp.i18n import _
from ldrps_gimp.pixels import Area, Format, check_unchanged, whole

_OPAQUE = 100.0
# Opacities of pixels that neither hide what is below them nor are hidden themselves.
_PARTLY = 1 / 255, 254 / 255


class Output(ABC):
    """Takes the pixels of an area of a layer, then puts them where they belong, at once."""

    def __init__(
        self, layer: Any, area: Area, form: Format, part: Area | None, idle: Callable[[], None]
    ) -> None:
        """Prepare an output; `part` is the selected part of the layer, None: there is no selection.

        `idle` is called now and then by slow work.
        """
        self.idle = idle
        self.layer, self.area, self.form, self.part = layer, area, form, part
        self.image = layer.get_image()
        self._named = layer.get_name()
        self.done = ""
        """Summary of what was done, in a few words; known by the end."""
        self._size = whole(layer)
        self._map: Map | None = None

    @property
    def name(self) -> str:
        """Name for a layer of its own."""
        if not self.done:
            return _("{layer} (restored)").format(layer=self._named)
        text = _("{layer} (restored: {done})")
        return text.format(layer=self._named, done=self.done)

    def expect_map(self) -> Callable[[Area, bytes], None]:
        """Prepare for a map of what was generated; returns the receiver of its strips."""
        self._map = Map(self.image, self.layer, self.part or self.area, self.idle)
        self._map.lay_over(self.layer)
        if self.part:
            self._map.mask()
        return self._map.write

    def _insert_map(self) -> None:
        """Insert the map above the source, wherever that is by now; within an undo group."""
        if self._map:
            self._map.lay_over(self.layer)
            place = self.layer.get_parent(), self.image.get_item_position(self.layer)
            checked(self._map.insert(*place))

    @abstractmethod
    def write(self, strip: Area, samples: bytes) -> None:
        """Keep one strip, in the source layer's coordinates."""

    @abstractmethod
    def finish(self, parasite: Any) -> Any:
        """Insert the result; returns its layer."""

    def discard(self) -> None:
        """Remove everything."""
        if self._map:
            self._map.discard()

    def check_unchanged(self) -> None:
        """Raise RestoreError if the source is no longer what the result was made for."""
        check_unchanged(self.layer, self._size, self.form)


def checked(fine: Any) -> None:
    """Raise RestoreError where GIMP says that a call did nothing."""
    if not fine:
        raise RestoreError("internal", _("GIMP refused the result; its error console says why."))


def is_simple(layer: Any) -> bool:
    """Tell whether a layer is seen as its pixels are, wherever it is seen at all."""
    return (
        layer.get_mask() is None
        and layer.get_opacity() == _OPAQUE
        and layer.get_mode() in (Gimp.LayerMode.NORMAL, Gimp.LayerMode.NORMAL_LEGACY)
        and layer.get_composite_mode() == Gimp.LayerCompositeMode.AUTO
        and layer.get_composite_space() == Gimp.LayerColorSpace.AUTO
        and not layer.get_filters()
        and not _is_translucent(layer)
    )


def _is_translucent(layer: Any) -> bool:
    """Tell whether what lies below shows through pixels, as it does through soft edges."""
    if not layer.has_alpha():
        return False
    found = layer.histogram(Gimp.HistogramChannel.ALPHA, *_PARTLY)
    return bool(found.count)
