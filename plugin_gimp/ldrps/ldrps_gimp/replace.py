"""Result in the layer's own pixels, where the selection is and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

from gi.repository import Gimp

from ldrps_gimp.errors import RestoreError
from ldrps_gimp.generated import MAP
from ldrps_gimp.i18n import _
from ldrps_gimp.output import Output, checked
from ldrps_gimp.pixels import (
    STRIP_ROWS,
    Area,
    Format,
    blend,
    crop,
    new_buffer,
    read,
    read_strip,
    selection_over,
    whole,
    write_strip,
)

# Table from how much a pixel is selected to whether it is.
_SELECTED = bytes([0] + [255] * 255)


class Replace(Output):
    """Output into the source layer's own pixels, mixed by the selection."""

    def __init__(
        self, layer: Any, area: Area, form: Format, part: Area | None, idle: Callable[[], None]
    ) -> None:
        super().__init__(layer, area, form, part, idle)
        self._mask = selection_over(layer, area) if part else None
        # Not in the layer's shadow yet: any other filter that runs meanwhile takes that one too.
        self._made = new_buffer(form.name, area)
        self._shadow: Any = None
        source = layer.get_buffer()
        self._sent = {strip: self._digest(source, strip) for strip in self._strips()}

    def write(self, strip: Area, samples: bytes) -> None:
        """Keep samples for the end."""
        write_strip(self._made, strip, samples, self.form, self.idle)

    def finish(self, parasite: Any) -> Any:
        """Merge the shadow with nothing selected, in one undo group."""
        self._fill_shadow()
        selected = not Gimp.Selection.is_empty(self.image)
        self.image.undo_group_start()
        try:
            if selected:
                kept = Gimp.Selection.save(self.image)
                Gimp.Selection.none(self.image)
            checked(self.layer.merge_shadow(True))
            checked(self.layer.attach_parasite(parasite))
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

    def _fill_shadow(self) -> None:
        """Fill the shadow with the layer as it is by now, and the result where the selection was.

        As a whole: GIMP's own mixing is not exact outside of a selection. Changes by the user
        during this are filled in again, until there are none.
        """
        self.check_unchanged()
        self._shadow = self.layer.get_shadow_buffer()
        laid: dict[Area, bytes] = {}
        while stale := self._stale(laid):
            # A buffer that was read from does not notice what has changed since.
            source = self.layer.get_buffer()
            for strip in stale:
                laid[strip] = self._lay(source, strip)
        self._shadow.flush()

    def _stale(self, laid: dict[Area, bytes]) -> list[Area]:
        self.check_unchanged()
        strips = list(whole(self.layer).rows(STRIP_ROWS))
        if not laid:
            return strips
        source = self.layer.get_buffer()
        return [s for s in strips if _hashed(read(source, s, self.form.name)) != laid[s]]

    def _lay(self, source: Any, strip: Area) -> bytes:
        """Fill a strip of the shadow; returns a digest of the layer's strip as it was read."""
        old = read_strip(source, strip, self.form, self._turn)
        write_strip(self._shadow, strip, old, self.form, self._turn)
        inside = strip.common(self.area)
        if inside.height > 0:
            before, made = crop(old, strip, inside, self.form), self._read_made(inside)
            if self._hash(before, inside) != self._sent[inside]:
                raise RestoreError("photo", _("The layer was changed while it was restored."))
            if self._mask:
                made = blend(before, made, crop(self._mask, self.area, inside, MAP), self.form)
            write_strip(self._shadow, inside, made, self.form, self._turn)
        return _hashed(old)

    def _strips(self) -> Iterator[Area]:
        """Cut the area into strips where the layer is."""
        for strip in whole(self.layer).rows(STRIP_ROWS):
            inside = strip.common(self.area)
            if inside.height > 0:
                yield inside

    def _read_made(self, inside: Area) -> bytes:
        return read_strip(self._made, inside, self.form, self._turn)

    def _digest(self, source: Any, inside: Area) -> bytes:
        return self._hash(read_strip(source, inside, self.form, self._turn), inside)

    def _hash(self, samples: bytes, inside: Area) -> bytes:
        """Digest the samples that are selected, be it a little."""
        if self._mask:
            mask = crop(self._mask, self.area, inside, MAP).translate(_SELECTED)
            samples = blend(bytes(len(samples)), samples, mask, self.form)
        return _hashed(samples)

    def _turn(self) -> None:
        self.idle()
        self.check_unchanged()

    def discard(self) -> None:
        """Drop the shadow."""
        super().discard()
        self._made = None
        if self._shadow is not None:
            self._shadow.flush()
            self._shadow = None
            if self.layer.is_valid():
                self.layer.free_shadow()


def _hashed(samples: bytes) -> bytes:
    """Digest samples."""
    return blake2b(samples, digest_size=16).digest()
