"""Where the restored pixels go. Until the last moment nothing of the image is touched.

GIMP may end this process between any two calls. So a result is built where it is no part of the
image yet, and comes in by one call, or by one undo group that nothing waits in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from gi.repository import Gimp

from ldrps_gimp.choices import NEW_IMAGE, REPLACE
from ldrps_gimp.errors import RestoreError
from ldrps_gimp.i18n import _
from ldrps_gimp.invented import Map
from ldrps_gimp.pixels import (
    STRIP_ROWS,
    Area,
    Format,
    blend,
    check_unchanged,
    crop,
    read,
    read_strip,
    whole,
    write_strip,
)


class Output(ABC):
    """Takes the pixels of an area of a layer, then puts them where they belong, at once."""

    def __init__(
        self, layer: Any, area: Area, form: Format, part: Area | None, idle: Callable[[], None]
    ) -> None:
        """`part` is what the selection touches of the layer; None: there is no selection.

        `idle` is called now and then by what takes long.
        """
        self.idle = idle
        self.layer, self.area, self.form, self.part = layer, area, form, part
        self.image = layer.get_image()
        self.name = _("{layer} (restored)").format(layer=layer.get_name())
        self._size = whole(layer)
        self._map: Map | None = None

    def expect_map(self) -> Callable[[Area, bytes], None]:
        """A map of what was invented comes too; what takes its strips."""
        self._map = Map(self.image, self.layer, self.part or self.area, self.idle)
        self._map.lay_over(self.layer)
        if self.part:
            self._map.mask()
        return self._map.write

    def _insert_map(self) -> None:
        """Above the source, wherever that is by now; within an undo group."""
        if self._map:
            self._map.lay_over(self.layer)
            place = self.layer.get_parent(), self.image.get_item_position(self.layer)
            _checked(self._map.insert(*place))

    @abstractmethod
    def write(self, strip: Area, samples: bytes) -> None:
        """Keep one strip, in the source layer's coordinates."""

    @abstractmethod
    def finish(self, parasite: Any) -> Any:
        """Let the result appear; returns its layer."""

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._map:
            self._map.discard()

    def check_unchanged(self) -> None:
        """Raise if the source is no longer what the result was made for."""
        check_unchanged(self.layer, self._size, self.form)


class _Fresh(Output):
    """Base of outputs that are a layer of their own, which no image knows before the end."""

    def _make(self, image: Any) -> None:
        size, kind = (self.area.width, self.area.height), self.layer.type()
        mode = image.get_default_new_layer_mode()
        self._new = Gimp.Layer.new(image, self.name, *size, kind, 100.0, mode)
        self._buffer = self._new.get_buffer()

    def write(self, strip: Area, samples: bytes) -> None:
        """Into the layer."""
        place = -self.area.x, -self.area.y
        write_strip(self._buffer, strip, samples, self.form, self.idle, *place)

    def _let_go(self) -> None:
        """GIMP ends who writes to a layer that is no more, as a buffer does when it is freed."""
        if self._buffer is not None:
            self._buffer.flush()
            self._buffer = None

    def _complete(self, parasite: Any) -> None:
        self._let_go()
        self._new.update(0, 0, self.area.width, self.area.height)
        _checked(self._new.attach_parasite(parasite))


class NewLayer(_Fresh):
    """A layer above the source, with the selection as its mask."""

    def __init__(
        self, layer: Any, area: Area, form: Format, part: Area | None, idle: Callable[[], None]
    ) -> None:
        super().__init__(layer, area, form, part, idle)
        self._make(self.image)
        self._lie_over_source()
        # Made now: by the end, the user may have selected something else.
        if part:
            _checked(self._new.add_mask(self._new.create_mask(Gimp.AddMaskType.SELECTION)))
            # Who paints next means the photo.
            self._new.set_edit_mask(False)

    def _lie_over_source(self) -> None:
        _found, x, y = self.layer.get_offsets()
        self._new.set_offsets(x + self.area.x, y + self.area.y)

    def finish(self, parasite: Any) -> Any:
        """One call brings layer, mask and provenance in: one step to undo, with a map too."""
        self.check_unchanged()
        self._lie_over_source()
        self._complete(parasite)
        if self._map is None:
            self._insert()
            return self._new
        self.image.undo_group_start()
        try:
            # The result comes last, below it, and is what is selected then.
            self._insert_map()
            self._insert()
        finally:
            self.image.undo_group_end()
        return self._new

    def _insert(self) -> None:
        position = self.image.get_item_position(self.layer)
        _checked(self.image.insert_layer(self._new, self.layer.get_parent(), position))

    def discard(self) -> None:
        """The layer never came into an image."""
        super().discard()
        self._let_go()
        self._new.delete()


class Replace(Output):
    """The source layer's own pixels, mixed by the selection."""

    def __init__(
        self, layer: Any, area: Area, form: Format, part: Area | None, idle: Callable[[], None]
    ) -> None:
        super().__init__(layer, area, form, part, idle)
        self._old = layer.get_buffer()
        self._shadow = layer.get_shadow_buffer()
        # Merged as a whole: GIMP's own mixing is not exact outside of a selection.
        for strip in whole(layer).rows(STRIP_ROWS):
            self._set(strip, read_strip(self._old, strip, form, self._turn))
        self._mask = _selection_over(layer, area) if part else None

    def _turn(self) -> None:
        self.idle()
        self.check_unchanged()

    def _set(self, strip: Area, samples: bytes) -> None:
        write_strip(self._shadow, strip, samples, self.form, self._turn)

    def write(self, strip: Area, samples: bytes) -> None:
        """Into the shadow of the layer, which GIMP drops if we are gone."""
        self.check_unchanged()
        if self._mask:
            width, first = self.area.width, strip.y - self.area.y
            mask = self._mask[first * width : (first + strip.height) * width]
            old = read_strip(self._old, strip, self.form, self._turn)
            samples = blend(old, samples, mask, self.form)
        self._set(strip, samples)

    def finish(self, parasite: Any) -> Any:
        """Merge the shadow with nothing selected, in one undo group."""
        self.check_unchanged()
        self._shadow.flush()
        selected = not Gimp.Selection.is_empty(self.image)
        self.image.undo_group_start()
        try:
            if selected:
                kept = Gimp.Selection.save(self.image)
                Gimp.Selection.none(self.image)
            _checked(self.layer.merge_shadow(True))
            _checked(self.layer.attach_parasite(parasite))
            if selected:
                self.image.select_item(Gimp.ChannelOps.REPLACE, kept)
                self.image.remove_channel(kept)
            if self._map:
                chosen = self.image.get_selected_layers()
                self._insert_map()
                self.image.set_selected_layers(chosen)
        finally:
            self.image.undo_group_end()
        self.layer.update(0, 0, self._size.width, self._size.height)
        return self.layer

    def discard(self) -> None:
        """Drop the shadow."""
        super().discard()
        self._shadow.flush()
        self._shadow = self._old = None
        if self.layer.is_valid():
            self.layer.free_shadow()


class NewImage(_Fresh):
    """An image of its own, in the same precision and colour space."""

    def __init__(
        self, layer: Any, area: Area, form: Format, part: Area | None, idle: Callable[[], None]
    ) -> None:
        # Of what was sent, it gets what the selection touches, without the context.
        super().__init__(layer, part or area, form, None, idle)
        size = self.area.width, self.area.height
        kind, precision = self.image.get_base_type(), self.image.get_precision()
        self._made = Gimp.Image.new_with_precision(*size, kind, precision)
        self._made.undo_disable()
        if profile := self.image.get_color_profile():
            self._made.set_color_profile(profile)
        _found, x, y = self.image.get_resolution()
        self._made.set_resolution(x, y)
        self._make(self._made)

    def expect_map(self) -> Callable[[Area, bytes], None]:
        """In the image of its own."""
        self._map = Map(self._made, self.layer, self.area, self.idle)
        return self._map.write

    def write(self, strip: Area, samples: bytes) -> None:
        """What of the strip lies in the image."""
        inside = strip.common(self.area)
        if inside.height > 0:
            super().write(inside, crop(samples, strip, inside, self.form))

    def finish(self, parasite: Any) -> Any:
        """The image is complete before anyone sees it."""
        self._complete(parasite)
        if self._map:
            _checked(self._map.insert(None, 0))
        # Below the map, which could not be seen otherwise.
        _checked(self._made.insert_layer(self._new, None, 1 if self._map else 0))
        self._made.undo_enable()
        return self._new

    def discard(self) -> None:
        """Nobody has seen it."""
        super().discard()
        self._let_go()
        self._made.delete()


def output_of(mode: str) -> type[Output]:
    """The kind of output of a mode of `choices.OUTPUTS`."""
    kinds: dict[str, type[Output]] = {REPLACE: Replace, NEW_IMAGE: NewImage}
    return kinds.get(mode, NewLayer)


def _selection_over(layer: Any, area: Area) -> bytes:
    """The selection over an area of a layer, a byte for each pixel."""
    selection = layer.get_image().get_selection().get_buffer()
    _found, x, y = layer.get_offsets()
    return read(selection, area, "Y u8", x, y)


def _checked(fine: Any) -> None:
    if not fine:
        raise RestoreError("internal", _("GIMP refused the result; its error console says why."))
