"""All open images, one after the other: the layer of each, and its outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gi.repository import Gimp

from ldrps_gimp import provenance
from ldrps_gimp.choices import NEW_IMAGE, Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.errors import CancelledError, RestoreError
from ldrps_gimp.i18n import _
from ldrps_gimp.refusals import check, only_layer
from ldrps_gimp.restoration import Report, Restoration

RESTORED, UNCHANGED, FAILED = "restored", "unchanged", "failed"


@dataclass(frozen=True)
class Entry:
    """One open image."""

    image: Any
    name: str
    layer: Any
    """Layer that is restored; None: none can be."""
    why: str
    """Reason why none can be, as a sentence; empty otherwise."""


@dataclass(frozen=True)
class Result:
    """Outcome for one image."""

    entry: Entry
    kind: str
    """Kind: RESTORED, UNCHANGED or FAILED."""
    text: str
    """Sentence about what was done, or why not."""
    made: Any = None
    """Layer of a new image that is not shown yet."""


def entries() -> list[Entry]:
    """Return every open image, in the order they were opened."""
    return [_entry(image) for image in sorted(Gimp.get_images(), key=lambda each: each.get_id())]


def _entry(image: Any) -> Entry:
    name = image.get_name()
    try:
        layer = only_layer(image.get_selected_layers())
        if provenance.record_of(layer) is not None:
            text = _("The selected layer is a result already; select the photo.")
            raise RestoreError("photo", text)
        check(layer, Choices())
    except RestoreError as error:
        return Entry(image, name, None, str(error))
    return Entry(image, name, layer, "")


def restore_all(
    chosen: list[Entry],
    choices: Choices,
    daemon: Daemon,
    report: Report,
    on_begin: Callable[[Entry], None] = lambda _entry: None,
) -> Iterator[Result]:
    """Restore images, and report the outcome of each.

    CancelledError, and any error that concerns all of them, end it; what is done stays done.
    """
    for entry in chosen:
        on_begin(entry)
        try:
            yield _restored(entry, choices, daemon, report)
        except CancelledError:
            raise
        except RestoreError as error:
            if error.reason in ("unavailable", "access", "model"):
                raise
            yield Result(entry, FAILED, str(error))


def _restored(entry: Entry, choices: Choices, daemon: Daemon, report: Report) -> Result:
    if entry.layer is None:
        return Result(entry, FAILED, entry.why)
    check(entry.layer, choices)
    outcome = Restoration(entry.layer, choices, daemon, report).run()
    text = " ".join([outcome.summary, *outcome.remarks])
    kind = RESTORED if outcome.changed else UNCHANGED
    return Result(entry, kind, text, outcome.layer if choices.output == NEW_IMAGE else None)


def show(result: Result) -> None:
    """Bring a result to the user's eyes."""
    if result.made is not None:
        Gimp.Display.new(result.made.get_image())
    Gimp.displays_flush()


def counts(results: list[Result]) -> tuple[int, int, int]:
    """Return how many were restored, needed nothing, and could not be restored."""
    kinds = [result.kind for result in results]
    return kinds.count(RESTORED), kinds.count(UNCHANGED), kinds.count(FAILED)


def summary(results: list[Result], left: int = 0) -> str:
    """Summarise the outcomes in a line, with reasons for failures; `left` were not begun."""
    restored, unchanged, failed = counts(results)
    said = [_("Restored: {count}.").format(count=restored)]
    if unchanged:
        said.append(_("Nothing to restore: {count}.").format(count=unchanged))
    if failed:
        said.append(_("Not restored: {count}.").format(count=failed))
    if left:
        said.append(_("Not begun: {count}.").format(count=left))
    why = [f"{each.entry.name}: {each.text}" for each in results if each.kind == FAILED]
    return "\n".join([" ".join(said), *why])
