"""One restoration, from the layer's pixels to the result."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from ldrps_gimp import provenance
from ldrps_gimp.choices import DAMAGE, NEW_IMAGE, STAGES, Choices
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.damage import mask_of
from ldrps_gimp.errors import RestoreError
from ldrps_gimp.generated import MAP
from ldrps_gimp.glance import SmallCopy
from ldrps_gimp.i18n import _
from ldrps_gimp.messages import Message
from ldrps_gimp.names import stage_names
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
from ldrps_gimp.remarks import remark_text
from ldrps_gimp.results import output_of
from ldrps_gimp.stages import Stages
from ldrps_gimp.viewing import Box
from ldrps_gimp.words import done_text, summary

# Receiver of a strip of a layer.
_Take = Callable[[Area, bytes], None]
_Taken = tuple[Format, _Take]
_RESULT = "restored"
# Settings of a glance, which looks for tones alone; and for the tagger no model is waited.
_GLANCE = {"damage": "off", "noise_sigma": 0.0, "describer": "tagger"}
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

    def glance(self) -> Message:
        """Have a small copy diagnosed; returns the diagnosis, whose tones alone hold for the photo.

        Fine noise does not survive the reduction, and damage is not looked for.
        """
        copy = SmallCopy.of(self.layer, self.area, self.form)
        header = {
            "settings": self.choices.to_message() | _GLANCE,
            # As a screen shows it: sRGB.
            "raster": copy.form.raster(copy.area, b""),
            "diagnose_only": True,
        }
        found: Message = {}
        with contextlib.closing(self._job(header, lambda: copy.chunks(self._daemon.idle))) as job:
            for event in job:
                found = event.get("diagnosis", found)
        return found

    def look(self) -> dict[str, Any]:
        """Have the photo diagnosed and described: `diagnosis` and `description` messages."""
        for _event in self._events({"diagnose_only": True}):
            pass
        return self._found

    def excerpt(self, box: Box) -> bytes:
        """Restore a box of the area alone, judged by all of it: RGB of 8 bits, to be shown."""
        crop = {"left": box.x, "top": box.y, "width": box.width, "height": box.height}
        inside, got = Area(0, 0, box.width, box.height), bytearray()
        # Stages and maps are not to be seen, and take their time.
        for event in self._events({"crop": crop}, layers=[]):
            if header := event.get("layer_header"):
                self._check_header(header, self.form, inside)
            elif chunk := event.get("layer_chunk"):
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
        listed = self._found.get("description", {}).get("remarks", [])
        said = [remark_text(remark) for remark in listed]
        if self._effects and self.choices.output == NEW_IMAGE:
            said.append(_("The layer's effects are not in the new image."))
        return said

    def _fill(self, output: Output) -> None:
        # Asked now: by the time that the map comes, something else may be selected.
        takes = {_RESULT: (self.form, self._compared(output.write))}
        if self.choices.generated:
            takes["generated"] = MAP, output.expect_map()
        staged = self.choices.output == STAGES
        most = len(takes) + len(stage_names()) * staged
        layers: list[_Layer] = []
        for event in self._events({}):
            if header := event.get("layer_header"):
                if isinstance(output, Stages) and header["name"] in stage_names():
                    takes[header["name"]] = self.form, output.expect_stage(header["name"])
                layers.append(self._begun(header, len(layers), takes))
                self.report.stage(_("Receiving the restored photo"))
            elif chunk := event.get("layer_chunk"):
                if chunk["layer"] + 1 != len(layers):
                    raise RestoreError("internal", _no_whole_photo())
                done = layers[-1].feed(chunk["data"])
                self.report.fraction((len(layers) - 1 + done) / most)
        if takes or not all(layer.is_whole for layer in layers):
            raise RestoreError("internal", _no_whole_photo())

    def _begun(self, header: Message, number: int, takes: dict[str, _Taken]) -> _Layer:
        """Return the layer that comes next, taken out of those that are waited for."""
        form, take = takes.pop(header["name"], (self.form, None))
        if take is None or header["layer"] != number:
            raise RestoreError("internal", _other_kind())
        self._check_header(header, form, self.area)
        return _Layer(self.area, form, take)

    def _compared(self, write: _Take) -> _Take:
        def take(strip: Area, samples: bytes) -> None:
            self._compare(strip, samples)
            write(strip, samples)

        return take

    def _compare(self, strip: Area, samples: bytes) -> None:
        """Notice a difference; up to the first one, a good photo costs reading it again."""
        if not self._changed:
            check_unchanged(self.layer, self._size, self.form)
            old = read_strip(self.layer.get_buffer(), strip, self.form, self._daemon.idle)
            self._changed = old != samples

    def _check_header(self, header: Message, form: Format, area: Area) -> None:
        wanted = form.raster(area, b"")
        for name in ("width", "height", "channels", "sample_type"):
            if header["raster"][name] != wanted[name]:
                raise RestoreError("internal", _other_kind())

    def _events(self, wanted: Message, **settings: Any) -> Any:
        header = {
            "settings": self.choices.to_message() | settings,
            "raster": self._raster,
            **wanted,
        }
        if self.choices.selection == DAMAGE:
            header["damage"] = mask_of(self.layer, self._daemon.idle)
        with contextlib.closing(self._job(header, self._chunks)) as job:
            for event in job:
                self._note(event)
                yield event

    def _job(
        self, header: Message, pixels: Callable[[], Iterator[bytes]]
    ) -> Generator[Message, None, None]:
        """Hand in a job, and yield its events to the end; it is given up with the iterator."""
        self.report.stage(_("Looking for the daemon"))
        self._daemon.ensure_running()
        self.report.stage(_("Sending the photo"))
        job = self._daemon.submit(header, pixels)
        over = False
        try:
            for event in self._daemon.watch(job):
                over = "done" in event
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


class _Layer:
    """One layer of the result while it comes."""

    def __init__(self, area: Area, form: Format, take: _Take) -> None:
        self._writer, self._take = StripWriter(area, form), take
        self._size, self._got = area.width * area.height * form.pixel_bytes, 0

    def feed(self, data: bytes) -> float:
        """Hand on the bytes that came; returns the share of the layer so far."""
        self._got += len(data)
        for strip, samples in self._writer.feed(data):
            self._take(strip, samples)
        return self._got / self._size

    @property
    def is_whole(self) -> bool:
        """Tell whether all of it has come, and no more."""
        return self._got == self._size


def _other_kind() -> str:
    return _("The daemon sent another kind of photo back.")


def _no_whole_photo() -> str:
    return _("The daemon sent no whole photo. Please report this.")
