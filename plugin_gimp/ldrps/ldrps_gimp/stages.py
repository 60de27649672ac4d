"""Result as a layer group: the photo after each stage, the last one on top.

Each layer covers those below it; its opacity is the amount of its stage, and the group's that of
all. So the layers are opaque: what the source lets through is the group's mask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gimp

from ldrps_gimp.generated import MAP
from ldrps_gimp.names import stage_names
from ldrps_gimp.output import Output, checked, is_simple
from ldrps_gimp.pixels import (
    STRIP_ROWS,
    Area,
    Format,
    blend,
    crop,
    format_of,
    read,
    read_strip,
    selection_over,
    whole,
    write_strip,
)

_RESULT = "restored"
# Format in which a mask is read: its numbers, of 8 bits.
_SHARES = "Y u8"


class Stages(Output):
    """A group above the source, seen as the source is.

    A source with a mask, a mode or an opacity of its own is hidden, as one over the other would
    count twice; the group then has its size, and the selection mixes its pixels.
    """

    def __init__(
        self, layer: Any, area: Area, form: Format, part: Area | None, idle: Callable[[], None]
    ) -> None:
        super().__init__(layer, area, form, part, idle)
        self._covers = is_simple(layer)
        self._place = area if self._covers else whole(layer)
        selection = selection_over(layer, area) if part else None
        self._mixed_by = None if self._covers else selection
        self._layers: dict[str, Any] = {}
        self._buffers: dict[str, Any] = {}
        self._mask: Any = None
        self._open(_RESULT)
        self._make_mask(selection if self._covers else None)
        self._inserted = False

    def _open(self, name: str) -> None:
        grey = self.image.get_base_type() == Gimp.ImageBaseType.GRAY
        kind = Gimp.ImageType.GRAY_IMAGE if grey else Gimp.ImageType.RGB_IMAGE
        size, mode = (self._place.width, self._place.height), Gimp.LayerMode.NORMAL
        made = Gimp.Layer.new(self.image, name, *size, kind, 100.0, mode)
        self._layers[name], self._buffers[name] = made, made.get_buffer()
        if self._mixed_by is None:
            return
        source = self.layer.get_buffer()
        for strip in self._place.rows(STRIP_ROWS):
            samples = read_strip(source, strip, self.form, self.idle)
            write_strip(self._buffers[name], strip, samples, self.form, self.idle)

    def _make_mask(self, selection: bytes | None) -> None:
        """Make the group's mask: the source's mask and alpha, and the selection."""
        masks = [] if self._covers else [self.layer.get_mask()]
        alpha = None
        if self.layer.has_alpha():
            alpha = self.layer.create_mask(Gimp.AddMaskType.ALPHA)
            masks.append(alpha)
        buffers = [mask.get_buffer() for mask in masks if mask is not None]
        if buffers or selection:
            self._mask = self._layers[_RESULT].create_mask(Gimp.AddMaskType.WHITE)
            self._fill_mask(buffers, selection)
        if alpha is not None:
            buffers.clear()
            alpha.delete()

    def _fill_mask(self, buffers: list[Any], selection: bytes | None) -> None:
        target, form = self._mask.get_buffer(), format_of(self._mask)
        for strip in self._place.rows(STRIP_ROWS):
            shares = [read(each, strip, _SHARES) for each in buffers[1:]]
            if selection:
                shares.append(crop(selection, self._place, strip, MAP))
            if buffers:
                samples = read(buffers[0], strip, form.name)
            else:
                here = strip.rectangle(-self._place.x, -self._place.y)
                samples = bytes(target.get(here, 1.0, form.name, 0))
            for share in shares:
                samples = blend(bytes(len(samples)), samples, share, form)
            place = -self._place.x, -self._place.y
            write_strip(target, strip, samples, form, self.idle, *place)

    def write(self, strip: Area, samples: bytes) -> None:
        """Write into the layer of the result."""
        self._write(_RESULT, strip, samples)

    def expect_stage(self, name: str) -> Callable[[Area, bytes], None]:
        """Prepare for the photo after a stage; returns the receiver of its strips."""
        self._open(name)
        return lambda strip, samples: self._write(name, strip, samples)

    def _write(self, name: str, strip: Area, samples: bytes) -> None:
        buffer = self._buffers[name]
        if self._mixed_by:
            mask = crop(self._mixed_by, self.area, strip, MAP)
            old = read_strip(self.layer.get_buffer(), strip, self.form, self.idle)
            samples = blend(old, samples, mask, self.form)
        place = -self._place.x, -self._place.y
        write_strip(buffer, strip, samples, self.form, self.idle, *place)

    def finish(self, parasite: Any) -> Any:
        """Insert the group, and the layers into it, in one undo group."""
        self.check_unchanged()
        self._let_go()
        named = self._named_layers()
        _found, x, y = self.layer.get_offsets()
        for made, text in named:
            made.set_name(text)
            made.set_offsets(x + self._place.x, y + self._place.y)
            made.update(0, 0, self._place.width, self._place.height)
            checked(made.attach_parasite(parasite))
        self.image.undo_group_start()
        try:
            self._insert_map()
            return self._insert([made for made, _text in named], parasite)
        finally:
            self.image.undo_group_end()

    def _named_layers(self) -> list[tuple[Any, str]]:
        """Return the layers with their names, the first stage first.

        The last stage's picture is the result, which came as a layer of its own.
        """
        names = stage_names()
        came = [name for name in names if name in self._layers]
        if not came:
            return [(self._layers[_RESULT], self.name)]
        self._layers.pop(came[-1]).delete()
        last = self._layers[_RESULT], names[came[-1]]
        return [*((self._layers[name], names[name]) for name in came[:-1]), last]

    def _new_group(self, parasite: Any) -> Any:
        group, layer = Gimp.GroupLayer.new(self.image, self.name), self.layer
        group.set_mode(layer.get_mode())
        group.set_opacity(layer.get_opacity())
        for name in ("composite_mode", "composite_space", "blend_space"):
            getattr(group, f"set_{name}")(getattr(layer, f"get_{name}")())
        # A layer that is not seen gives one that is not seen.
        group.set_visible(layer.get_visible())
        checked(group.attach_parasite(parasite))
        return group

    def _insert(self, layers: list[Any], parasite: Any) -> Any:
        image, group = self.image, self._new_group(parasite)
        # From now on the image has them, or the user's next step of undo.
        self._inserted = True
        position = image.get_item_position(self.layer)
        checked(image.insert_layer(group, self.layer.get_parent(), position))
        for made in layers:
            checked(image.insert_layer(made, group, 0))
        if self._mask is not None:
            checked(group.add_mask(self._mask))
            group.set_edit_mask(False)
        if not self._covers:
            checked(self.layer.set_visible(False))
        image.set_selected_layers([group])
        return group

    def _let_go(self) -> None:
        """Release the buffers: GIMP ends a process whose buffer of a removed layer is freed."""
        for buffer in self._buffers.values():
            buffer.flush()
        self._buffers.clear()

    def discard(self) -> None:
        """Delete the layers, unless they have come into the image."""
        super().discard()
        self._let_go()
        if not self._inserted:
            for made in (*self._layers.values(), self._mask):
                if made is not None:
                    made.delete()
