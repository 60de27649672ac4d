"""One restoration, from the layer's pixels to the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from ldrps_gimp import provenance
from ldrps_gimp.choices import DAMAGE, NEW_IMAGE, Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.damage import mask_of
from ldrps_gimp.errors import RestoreError
from ldrps_gimp.generated import MAP
from ldrps_gimp.i18n import _
from ldrps_gimp.messages import Message
from ldrps_gimp.output import Output
from ldrps_gimp.pixels import (
    Area,
    Format,
    StripWriter,
    check_unchanged,
    chunks,
    format_of,
    profile_of,
    read_strip,
    selected,
    shown,
    whole,
    with_context,
)
from ldrps_gimp.results import output_of
from ldrps_gimp.viewing import Box
from ldrps_gimp.words import done_text, summary

_RELAYED = ("queued", "loading", "diagnosis", "description", "step", "preview")


class Report(Protocol):
    """Receiver of the progress."""

    def stage(self, text: str) -> None:
        """Note the current stage."""

    def event(self, kind: str, event: Message) -> None:
        """Note an event of the daemon: queued, loading, diagnosis, description, step, preview."""

    def fraction(self, done: float) -> None:
        """Note how much of the stage is done, 0 to 1."""


@dataclass(frozen=True)
class Outcome:
    """Result of a restoration that ended well."""

    layer: Any
    """Layer that holds the result; the source where nothing changed."""
    changed: bool
    """False where the result is the source to the bit."""
    summary: str
    """Summary for the user: what was done, how much of it is generated, how long it took."""
    remarks: list[str]
    """Sentences for the user about requests that were not carried out."""


class Restoration:
    """Sends one request and receives its result."""

    def __init__(self, layer: Any, choices: Choices, daemon: Daemon, report: Report) -> None:
        """Prepare; RestoreError if the layer's pixels cannot be sent."""
        self.layer, self.choices, self.report = layer, choices, report
        self._daemon = daemon
        # Damage may lie anywhere in a photo that is restored as a whole.
        self.part = None if choices.selection == DAMAGE else selected(layer)
        self.area = with_context(self.part, layer) if self.part else whole(layer)
        self.form = format_of(layer)
        self._raster = self.form.raster(self.area, profile_of(layer.get_image(), self.form))
        # Asked now: by the end, the layer may be gone.
        self._source = provenance.source_record(layer)
        self._found: dict[str, Any] = {}
        self._effects = bool(layer.get_filters())
        self._size = whole(layer)
        # An image of its own is wanted in any case, also of a layer that is no more.
        self._changed = choices.output == NEW_IMAGE

    def look(self) -> dict[str, Any]:
        """Have the photo diagnosed and described: `diagnosis` and `description` messages."""
        for _event in self._events({"diagnose_only": True}):
            pass
        return self._found

    def excerpt(self, box: Box) -> bytes:
        """Restore a box of the area alone, judged by all of it: RGB of 8 bits, to be shown."""
        crop = {"left": box.x, "top": box.y, "width": box.width, "height": box.height}
        inside, got = Area(0, 0, box.width, box.height), bytearray()
        for event in self._events({"crop": crop}):
            if header := event.get("layer_header"):
                self._check_header(header, [self.form, MAP], inside)
            elif (chunk := event.get("layer_chunk")) and chunk["layer"] == 0:
                got += chunk["data"]
        if len(got) != box.width * box.height * self.form.pixel_bytes:
            raise RestoreError("internal", _no_whole_photo())
        return shown(bytes(got), box.width, box.height, self.form)

    def run(self, before_finish: Callable[[], None] = lambda: None) -> Outcome:
        """Restore. On any error the image stays as it was, and so where nothing was to be done.

        `before_finish` is called before the image is touched.
        """
        began = time.monotonic()
        make = output_of(self.choices.output, self.layer)
        output = make(self.layer, self.area, self.form, self.part, self._daemon.idle)
        try:
            self._fill(output)
            before_finish()
            if not self._changed:
                output.discard()
                text = _("Nothing was found that had to be restored; the image is as it was.")
                return Outcome(self.layer, False, text, self._remarks)
            output.done = done_text(self.choices, self._found)
            record = provenance.parasite(self.choices, self._source, self._found)
            layer = output.finish(record)
        except BaseException:
            output.discard()
            raise
        seconds = time.monotonic() - began
        text = summary(self.choices, self._found, seconds)
        return Outcome(layer, True, text, self._remarks)

    @property
    def _remarks(self) -> list[str]:
        said = list(self._found.get("description", {}).get("remarks", []))
        if self._effects and self.choices.output == NEW_IMAGE:
            said.append(_("The layer's effects are not in the new image."))
        return said

    def _fill(self, output: Output) -> None:
        layers: list[tuple[Format, StripWriter, Callable[[Area, bytes], None]]]
        layers = [(self.form, StripWriter(self.area, self.form), output.write)]
        if self.choices.generated:
            layers.append((MAP, StripWriter(self.area, MAP), output.expect_map()))
        pixels = self.area.width * self.area.height
        total = pixels * sum(form.pixel_bytes for form, _writer, _write in layers)
        got = 0
        for event in self._events({}):
            if header := event.get("layer_header"):
                self._check_header(header, [form for form, _writer, _write in layers], self.area)
                self.report.stage(_("Receiving the restored photo"))
            elif chunk := event.get("layer_chunk"):
                got += len(chunk["data"])
                self.report.fraction(got / total)
                _form, writer, write = layers[min(chunk["layer"], len(layers) - 1)]
                for strip, samples in writer.feed(chunk["data"]):
                    if write == output.write:
                        self._compare(strip, samples)
                    write(strip, samples)
        if got != total:
            raise RestoreError("internal", _no_whole_photo())

    def _compare(self, strip: Area, samples: bytes) -> None:
        """Notice a difference; up to the first one, a good photo costs reading it again."""
        if not self._changed:
            check_unchanged(self.layer, self._size, self.form)
            old = read_strip(self.layer.get_buffer(), strip, self.form, self._daemon.idle)
            self._changed = old != samples

    def _check_header(self, header: Message, forms: list[Format], area: Area) -> None:
        number = header["layer"]
        wanted = forms[number].raster(area, b"") if number < len(forms) else {}
        for name in ("width", "height", "channels", "sample_type"):
            if header["raster"][name] != wanted.get(name):
                raise RestoreError("internal", _("The daemon sent another kind of photo back."))

    def _events(self, wanted: Message) -> Any:
        self.report.stage(_("Looking for the daemon"))
        self._daemon.ensure_running()
        self.report.stage(_("Sending the photo"))
        header = {
            "settings": self.choices.to_message(),
            "raster": self._raster,
            **wanted,
        }
        if self.choices.selection == DAMAGE:
            header["damage"] = mask_of(self.layer, self._daemon.idle)
        job = self._daemon.submit(header, self._chunks)
        over = False
        try:
            for event in self._daemon.watch(job):
                over = "done" in event
                self._note(event)
                yield event
        finally:
            if not over:
                # What is on its way up says more than that this did not work.
                self._daemon.abandon(job)

    def _chunks(self) -> Iterator[bytes]:
        return chunks(self.layer, self.area, self.form, self._daemon.idle)

    def _note(self, event: Message) -> None:
        for kind in _RELAYED:
            if kind in event:
                self.report.event(kind, event[kind])
        for kind in ("diagnosis", "description", "done"):
            if kind in event:
                self._found[kind] = event[kind]


def _no_whole_photo() -> str:
    return _("The daemon sent no whole photo. Please report this.")
