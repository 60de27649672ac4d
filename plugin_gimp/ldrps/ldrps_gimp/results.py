"""Results as layers or images of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gimp

from ldrps_gimp.choices import NEW_IMAGE, REPLACE, STAGES
from ldrps_gimp.generated import MAP, Map
from ldrps_gimp.output import Output, checked, is_simple
from ldrps_gimp.pixels import (
    STRIP_ROWS,
    Area,
    Format,
    blend,
    crop,
    format_of,
    read_strip,
    selection_over,
    write_strip,
)
from ldrps_gimp.replace import Replace
from ldrps_gimp.stages import Stages


class _Fresh(Output):
    """Base of outputs that are a layer of their own, which no image knows before the end."""

    def _make(self, image: Any) -> None:
        size, kind = (self.area.width, self.area.height), self.layer.type()
        mode = image.get_default_new_layer_mode()
        self._new = Gimp.Layer.new(image, self.name, *size, kind, 100.0, mode)
        self._buffer = self._new.get_buffer()

    def write(self, strip: Area, samples: bytes) -> None:
        """Write samples into the layer."""
        place = -self.area.x, -self.area.y
        write_strip(self._buffer, strip, samples, self.form, self.idle, *place)

    def _let_go(self) -> None:
        """Release the buffer: GIMP ends a process whose buffer of a removed layer is freed."""
        if self._buffer is not None:
            self._buffer.flush()
            self._buffer = None

    def _complete(self, parasite: Any) -> None:
        self._let_go()
        self._new.set_name(self.name)
        self._new.update(0, 0, self.area.width, self.area.height)
        checked(self._new.attach_parasite(parasite))


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
            self._mask_new()

    def _mask_new(self) -> None:
        checked(self._new.add_mask(self._new.create_mask(Gimp.AddMaskType.SELECTION)))
        # Who paints next means the photo.
        self._new.set_edit_mask(False)

    def _lie_over_source(self) -> None:
        _found, x, y = self.layer.get_offsets()
        self._new.set_offsets(x + self.area.x, y + self.area.y)

    def finish(self, parasite: Any) -> Any:
        """Insert layer, mask and provenance by one call: one step to undo, with a map too."""
        self.check_unchanged()
        self._lie_over_source()
        # A layer that is not seen gives one that is not seen.
        self._new.set_visible(self.layer.get_visible())
        self._complete(parasite)
        if self._is_one_step():
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

    def _is_one_step(self) -> bool:
        return self._map is None

    def _insert(self) -> None:
        position = self.image.get_item_position(self.layer)
        checked(self.image.insert_layer(self._new, self.layer.get_parent(), position))

    def discard(self) -> None:
        """Delete the layer, which never came into an image."""
        super().discard()
        self._let_go()
        self._new.delete()


class Twin(NewLayer):
    """A copy of a source that is not simply seen as it is: with a mask, a mode, effects.

    It has all of them too, and takes the source's place, which is hidden: one over the other would
    count twice. So it is as large as the source, and the selection mixes its pixels.
    """

    def _make(self, image: Any) -> None:
        self._mask = selection_over(self.layer, self.area) if self.part else None
        # A copy of a text, a shape or a linked file would be rendered again over the result.
        # Effects can only be copied with what they are on; then it is reported when it comes in.
        is_plain = type(self.layer) is Gimp.Layer or self.layer.get_filters()
        self._new = self.layer.copy() if is_plain else self._plain_copy()
        for lock in (self._new.set_lock_content, self._new.set_lock_position):
            lock(False)
        self._new.set_edit_mask(False)
        self._buffer = self._new.get_buffer()

    def _plain_copy(self) -> Any:
        """Copy what the layer is rendered as."""
        layer, size = self.layer, (self._size.width, self._size.height)
        look = layer.type(), layer.get_opacity(), layer.get_mode()
        made = Gimp.Layer.new(self.image, self.name, *size, *look)
        for name in ("composite_mode", "composite_space", "blend_space"):
            getattr(made, f"set_{name}")(getattr(layer, f"get_{name}")())
        source, target = layer.get_buffer(), made.get_buffer()
        for strip in self._size.rows(STRIP_ROWS):
            samples = read_strip(source, strip, self.form, self.idle)
            write_strip(target, strip, samples, self.form, self.idle)
        if layer.get_mask():
            copy_mask(layer, made, self._size, self.idle)
        return made

    def _mask_new(self) -> None:
        """Give the copy the source's mask."""

    def _lie_over_source(self) -> None:
        _found, x, y = self.layer.get_offsets()
        self._new.set_offsets(x, y)

    def write(self, strip: Area, samples: bytes) -> None:
        """Write into the copy, as far as the selection goes."""
        if self._mask:
            mask = crop(self._mask, self.area, strip, MAP)
            samples = blend(
                read_strip(self._buffer, strip, self.form, self.idle), samples, mask, self.form
            )
        write_strip(self._buffer, strip, samples, self.form, self.idle)

    def _complete(self, parasite: Any) -> None:
        self._let_go()
        self._new.set_name(self.name)
        self._new.update(0, 0, self._size.width, self._size.height)
        checked(self._new.attach_parasite(parasite))

    def _is_one_step(self) -> bool:
        return self._map is None and not self.layer.get_visible()

    def _insert(self) -> None:
        super()._insert()
        if hasattr(self._new, "rasterize"):
            checked(self._new.rasterize())
        checked(self.layer.set_visible(False))


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
        if layer.get_mask():
            copy_mask(layer, self._new, self.area, idle)

    def expect_map(self) -> Callable[[Area, bytes], None]:
        """Prepare a map in the image of its own."""
        self._map = Map(self._made, self.layer, self.area, self.idle)
        return self._map.write

    def write(self, strip: Area, samples: bytes) -> None:
        """Write the part of the strip that lies in the image."""
        inside = strip.common(self.area)
        if inside.height > 0:
            super().write(inside, crop(samples, strip, inside, self.form))

    def finish(self, parasite: Any) -> Any:
        """Return the layer; the image is complete before anyone sees it."""
        self._complete(parasite)
        if self._map:
            checked(self._map.insert(None, 0))
        # Below the map, which could not be seen otherwise.
        checked(self._made.insert_layer(self._new, None, 1 if self._map else 0))
        self._made.undo_enable()
        return self._new

    def discard(self) -> None:
        """Delete the image, which was never shown."""
        super().discard()
        self._let_go()
        self._made.delete()


def copy_mask(source: Any, target: Any, area: Area, idle: Callable[[], None]) -> None:
    """Give a layer that covers an area of another one the part of its mask that lies there."""
    theirs = source.get_mask()
    checked(target.add_mask(target.create_mask(Gimp.AddMaskType.WHITE)))
    form = format_of(target.get_mask())
    old, new = theirs.get_buffer(), target.get_mask().get_buffer()
    for strip in area.rows(STRIP_ROWS):
        samples = read_strip(old, strip, form, idle)
        write_strip(new, strip, samples, form, idle, -area.x, -area.y)
    target.set_edit_mask(False)


def output_of(mode: str, layer: Any) -> type[Output]:
    """The kind of output of a mode of `choices.OUTPUTS`, for a layer."""
    kinds: dict[str, type[Output]] = {REPLACE: Replace, NEW_IMAGE: NewImage, STAGES: Stages}
    return kinds.get(mode, NewLayer if is_simple(layer) else Twin)
