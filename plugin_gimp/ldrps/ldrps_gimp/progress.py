"""Progress in words; and in GIMP's own status bar where there is no dialog."""

from __future__ import annotations

from gi.repository import Gimp

from ldrps_gimp.i18n import _
from ldrps_gimp.messages import Message


def stage_text(kind: str, event: Message) -> str:
    """Describe an event in one line; empty if it says nothing to people."""
    if kind == "queued":
        if not event["position"]:
            return _("Next in line")
        text = _("Waiting: {count} before this photo").format(count=event["position"])
        return text + _about(event["estimated_seconds"])
    if kind == "loading":
        text = _("Loading the model {model}: {percent} %")
        return text.format(model=event["model"], percent=round(100 * event["fraction"]))
    if kind == "step":
        stages = {
            "fill": _("Filling damage"),
            "denoise": _("Filtering noise"),
            "sample": _("Sampling"),
            "refine": _("Refining"),
            "transfer": _("Transferring"),
        }
        text = _("{stage}: step {index} of {count}").format(
            stage=stages.get(event["stage"], event["stage"]),
            index=event["index"],
            count=event["count"],
        )
        return text + _about(event["seconds_left"])
    return ""


def _about(seconds: float) -> str:
    # Less than a second is no news, and neither is it where it is not known.
    if seconds < 1:
        return ""
    if seconds < 100:
        return ", " + _("about {count} s left").format(count=round(seconds))
    return ", " + _("about {count} min left").format(count=round(seconds / 60))


class StatusBar:
    """Progress in GIMP's own bar. Its Cancel button ends this process, which the daemon notices."""

    def __init__(self, name: str) -> None:
        Gimp.progress_init(name)

    def stage(self, text: str) -> None:
        """Show the current stage."""
        Gimp.progress_set_text(text)

    def event(self, kind: str, event: Message) -> None:
        """Show steps and waiting."""
        if text := stage_text(kind, event):
            Gimp.progress_set_text(text)
        if kind == "step":
            Gimp.progress_update(event["index"] / event["count"])

    def fraction(self, done: float) -> None:
        """Move the bar."""
        Gimp.progress_update(done)
