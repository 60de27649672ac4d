"""Refusals, each with a sentence that says what to do instead."""

from __future__ import annotations

from typing import Any

from gi.repository import Gimp

from ldrps_gimp.choices import DAMAGE, REPLACE, STAGES, Choices
from ldrps_gimp.errors import RestoreError
from ldrps_gimp.i18n import _
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
    if choices.recipe == "colour" and _is_grey(layer):
        text = _("A grayscale image has no place for colours; choose Image > Mode > RGB first.")
        raise _no(text)
    if min(layer.get_width(), layer.get_height()) < MIN_SIDE:
        raise _no(_("The layer is too small; it needs {side} pixels a side.").format(side=MIN_SIDE))
    if choices.output == REPLACE and layer.get_lock_content():
        raise _no(_("The layer's pixels are locked; unlock it, or choose a new layer as output."))
    if choices.output == STAGES and layer.get_filters():
        text = _("A layer with effects gives no group of stages; merge its effects into it first.")
        raise _no(text)
    if choices.selection == DAMAGE and Gimp.Selection.is_empty(layer.get_image()):
        raise _no(_("Nothing is selected; select what is damaged first, so that it is filled."))


def _is_grey(layer: Any) -> bool:
    return bool(layer.get_image().get_base_type() == Gimp.ImageBaseType.GRAY)


def _no(sentence: str) -> RestoreError:
    return RestoreError("photo", sentence)
