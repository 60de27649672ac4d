"""Refusals, each with a sentence that says what to do instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gi.repository import Gimp

from ldrps_gimp.choices import DAMAGE, NEW_LAYER, REPLACE, STAGES, Choices
from ldrps_gimp.errors import RestoreError
from ldrps_gimp.i18n import _
from ldrps_gimp.output import is_simple
from ldrps_gimp.pixels import MIN_SIDE


def only_layer(drawables: list[Any]) -> Any:
    """Return the one layer to restore; RestoreError if something else is selected."""
    if len(drawables) != 1:
        raise _no(_("Select exactly one layer; {count} are selected.").format(count=len(drawables)))
    drawable = drawables[0]
    if isinstance(drawable, Gimp.LayerMask):
        raise _no(_("A layer mask is no photo; click on the layer's picture instead of its mask."))
    if isinstance(drawable, Gimp.GroupLayer) or drawable.is_group():
        raise _no(_("A layer group cannot be restored; merge it, or select a layer in it."))
    if not isinstance(drawable, Gimp.Layer):
        raise _no(_("A channel is no photo; select a layer."))
    if drawable.is_floating_sel():
        raise _no(_("A floating selection cannot be restored; anchor it first."))
    return drawable


def check(layer: Any, choices: Choices) -> None:
    """Raise RestoreError for a layer that cannot be restored, or whose image cannot."""
    if not layer.is_valid():
        raise _no(_("The layer is no longer there; close this and select another one."))
    if layer.get_image().get_base_type() == Gimp.ImageBaseType.INDEXED:
        raise _no(_("Indexed images are not taken; choose Image > Mode > RGB first."))
    if (choices.recipe == "colour" or choices.amount_colour > 0) and _is_grey(layer):
        text = _("A grayscale image has no place for colours; choose Image > Mode > RGB first.")
        raise _no(text)
    if min(layer.get_width(), layer.get_height()) < MIN_SIDE:
        raise _no(_("The layer is too small; it needs {side} pixels a side.").format(side=MIN_SIDE))
    _check_locks(layer, choices.output)
    if choices.output == STAGES and layer.get_filters():
        text = _("A layer with effects gives no group of stages; merge its effects into it first.")
        raise _no(text)
    if choices.selection == DAMAGE and Gimp.Selection.is_empty(layer.get_image()):
        raise _no(_("Nothing is selected; select what is damaged first, so that it is filled."))


def _check_locks(layer: Any, output: str) -> None:
    """Raise RestoreError where a lock is in the way of an output; GIMP would say so at the end."""
    if output == REPLACE:
        if layer.get_lock_content():
            text = _("The layer's pixels are locked; unlock it, or choose a new layer as output.")
            raise _no(text)
        if any(group.get_lock_content() for group in _groups_around(layer)):
            text = _(
                "The pixels of the layer's group are locked; unlock it, or choose a new layer as "
                "output."
            )
            raise _no(text)
    hides = output in (NEW_LAYER, STAGES) and layer.get_visible() and not is_simple(layer)
    if hides and layer.get_lock_visibility():
        text = _(
            "The layer's visibility is locked, but the result takes its place; unlock it, or "
            "choose a new image as output."
        )
        raise _no(text)


def _groups_around(layer: Any) -> Iterator[Any]:
    group = layer.get_parent()
    while group is not None:
        yield group
        group = group.get_parent()


def _is_grey(layer: Any) -> bool:
    return bool(layer.get_image().get_base_type() == Gimp.ImageBaseType.GRAY)


def _no(sentence: str) -> RestoreError:
    return RestoreError("photo", sentence)
