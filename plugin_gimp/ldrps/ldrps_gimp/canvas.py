"""Preview on the canvas: a layer that no step of the undo history knows.

GIMP may end the process that shows it at any moment. The layer then stays, with a mark, and the
process that waits for this one takes it away by `sweep`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from gi.repository import Gegl, Gimp

from ldrps_gimp.i18n import _
from ldrps_gimp.pixels import SHOWN, STRIP_ROWS, Area, new_buffer

_MARK = "ldrps-preview"
_LEAST_PAUSE = 0.5
# GIMP draws what we send; so it is left alone for several times as long as that took us.
_REST = 5.0
_ANSWER_SECONDS = 20.0


class Canvas:
    """One preview."""

    def __init__(self, layer: Any, area: Area, masked: bool, idle: Callable[[], None]) -> None:
        """Prepare to cover `area` of `layer`; `masked`: only where the selection is."""
        self._source, self._area, self._masked, self._idle = layer, area, masked, idle
        self._image = layer.get_image()
        self._preview: Any = None
        self._is_in_image = False
        self._due = 0.0

    def show(self, width: int, height: int, pixels: bytes) -> None:
        """Show an RGB picture of 8 bits, stretched over the area, unless one was just shown."""
        began = time.monotonic()
        if began < self._due or not self._source.is_valid():
            return
        if self._preview is None:
            self._preview = self._bare_layer()
        elif not self._preview.is_valid():
            # The user has deleted it and does not want it back.
            return
        if not self._fill(width, height, pixels):
            return
        if not self._is_in_image:
            self._insert()
        Gimp.displays_flush()
        now = time.monotonic()
        self._due = now + max(_LEAST_PAUSE, _REST * (now - began))

    def set_visible(self, visible: bool) -> None:
        """Show the photo as it was, or the preview again."""
        if self._preview is not None and self._preview.is_valid():
            with _unnoticed(self._image):
                self._preview.set_visible(visible)
            Gimp.displays_flush()

    def close(self) -> None:
        """Remove the preview, which may never have come into the image."""
        if self._preview is not None and self._preview.is_valid():
            if self._is_in_image:
                _remove(self._image, self._preview)
            else:
                self._preview.delete()
        self._preview, self._is_in_image = None, False

    def _insert(self) -> None:
        image, source = self._image, self._source
        with _unnoticed(image):
            place = source.get_parent(), image.get_item_position(source)
            image.insert_layer(self._preview, *place)
            # GIMP selects what comes in; what the user had selected stays so.
            image.set_selected_layers([source])
        self._is_in_image = True

    def _bare_layer(self) -> Any:
        image, area = self._source.get_image(), self._area
        grey = image.get_base_type() == Gimp.ImageBaseType.GRAY
        kind = Gimp.ImageType.GRAY_IMAGE if grey else Gimp.ImageType.RGB_IMAGE
        mode = image.get_default_new_layer_mode()
        name = _("Preview of what is coming")
        made = Gimp.Layer.new(image, name, area.width, area.height, kind, 100.0, mode)
        _found, x, y = self._source.get_offsets()
        made.set_offsets(x + area.x, y + area.y)
        if self._masked:
            made.add_mask(made.create_mask(Gimp.AddMaskType.SELECTION))
        made.attach_parasite(Gimp.Parasite.new(_MARK, 0, b"1"))
        return made

    def _fill(self, width: int, height: int, pixels: bytes) -> bool:
        """Fill strip by strip: GEGL stretches while the dialog stays alive.

        False if the layer went away meanwhile: GIMP ends a process that writes to a removed one.
        """
        picture = Area(0, 0, width, height)
        small = new_buffer(SHOWN, picture)
        small.set(picture.rectangle(), SHOWN, pixels)
        graph = Gegl.Node()
        source = graph.create_child("gegl:buffer-source")
        source.set_property("buffer", small)
        scale = graph.create_child("gegl:scale-size")
        for name, value in (("x", self._area.width), ("y", self._area.height)):
            scale.set_property(name, float(value))
        scale.set_property("sampler", Gegl.SamplerType.LINEAR)
        source.link(scale)
        target = self._preview.get_buffer()
        try:
            for strip in Area(0, 0, self._area.width, self._area.height).rows(STRIP_ROWS):
                for piece in strip.pieces():
                    if not self._preview.is_valid():
                        return False
                    scale.blit_buffer(target, piece.rectangle(), 0, Gegl.AbyssPolicy.NONE)
                    target.flush()
                    self._preview.update(piece.x, piece.y, piece.width, piece.height)
                    self._idle()
        finally:
            # GIMP ends a process whose buffer of a deleted layer is freed, by a traceback too.
            del target
        return True


def warm_up() -> bool:
    """Let GEGL look for all its operations now, which takes its time at the first one.

    False ends an idle source.
    """
    Gegl.Node().create_child("gegl:scale-size")
    return False


def sweep(image: Any) -> None:
    """Remove what a dead process has left on the canvas of an image."""
    if not image.is_valid():
        return
    if not image.undo_is_enabled():
        # It was ended in the middle of a change of ours.
        image.undo_thaw()
    # All are found first: one that has been taken away cannot be asked whether it is a group.
    for layer in list(_all_layers(image.get_layers())):
        if layer.get_parasite(_MARK) is not None:
            _remove(image, layer)


def _all_layers(layers: list[Any]) -> Iterator[Any]:
    for layer in layers:
        yield layer
        if layer.is_group():
            yield from _all_layers(layer.get_children())


def _remove(image: Any, layer: Any) -> None:
    # The user may have removed it, which keeps it in the undo history.
    if not image.is_valid() or not any(
        each.get_id() == layer.get_id() for each in _all_layers(image.get_layers())
    ):
        return
    with _unnoticed(image):
        chosen = [each for each in image.get_selected_layers() if each.get_id() != layer.get_id()]
        image.remove_layer(layer)
        image.set_selected_layers(chosen or image.get_selected_layers())
    Gimp.displays_flush()


@contextlib.contextmanager
def _unnoticed(image: Any) -> Iterator[None]:
    """Change an image without a step in the undo history, and without marking it as unsaved.

    Undo is frozen for the change alone: what the user does between two is undone as ever.
    """
    clean = not image.is_dirty()
    image.undo_freeze()
    try:
        yield
    finally:
        image.undo_thaw()
        if clean:
            image.clean_all()
