"""Restorations without a dialog, and the last words of all that a person watches."""

from __future__ import annotations

from typing import Any

from gi.repository import Gimp

from ldrps_gimp import batch
from ldrps_gimp.choices import NEW_IMAGE, Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.endpoint import default_endpoint
from ldrps_gimp.i18n import _
from ldrps_gimp.progress import StatusBar
from ldrps_gimp.refusals import check
from ldrps_gimp.restoration import Outcome, Restoration


def restore_all(choices: Choices, mode: Any) -> list[batch.Result]:
    """Restore all open images without a dialog; returns the outcome of each."""
    daemon = Daemon(default_endpoint())
    try:
        report = StatusBar(_("Restore (LD-RPS)"))
        results = []
        for result in batch.restore_all(batch.entries(), choices, daemon, report):
            results.append(result)
            if mode != Gimp.RunMode.NONINTERACTIVE:
                batch.show(result)
    finally:
        daemon.close()
        Gimp.progress_end()
    if mode != Gimp.RunMode.NONINTERACTIVE:
        Gimp.message(batch.summary(results))
    return results


def restore(layer: Any, choices: Choices, mode: Any) -> Any:
    """Restore without a dialog; returns the layer with the result."""
    check(layer, choices)
    daemon = Daemon(default_endpoint())
    try:
        report = StatusBar(_("Restore (LD-RPS)"))
        outcome = Restoration(layer, choices, daemon, report).run()
    finally:
        daemon.close()
        Gimp.progress_end()
    if mode != Gimp.RunMode.NONINTERACTIVE:
        show(outcome, choices)
    elif outcome.remarks:
        Gimp.message("\n".join(outcome.remarks))
    return outcome.layer


def show(outcome: Outcome, choices: Choices) -> None:
    """Show a result to the user, and say in a line what it is."""
    if choices.output == NEW_IMAGE:
        Gimp.Display.new(outcome.layer.get_image())
    Gimp.displays_flush()
    Gimp.message("\n".join([outcome.summary, *outcome.remarks]))
