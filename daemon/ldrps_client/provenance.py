"""Mark in a result's XMP: where it came from, how it was made, and all it takes to redo it.

Standard properties say what other programs understand: `xmpMM:DerivedFrom`, `xmpMM:History`
(XMP part 2, 2022), and IPTC's digital source type. Ours hold the whole request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ldrps_client._text import plain, shown
from ldrps_client.files.metadata._embedded import embedded_xmp, sidecar_for, xmp_beside
from ldrps_client.files.metadata._packet import RDF, Addition, Name, Packet, Prefixes
from ldrps_engine.errors import SettingsError
from ldrps_engine.photo import Photo
from ldrps_engine.settings import Settings
from ldrps_wire.former_names import (
    PROPERTIES,
    current_figures,
    current_layer,
    current_settings,
)

if TYPE_CHECKING:
    from ldrps_client._result import Result

__all__ = [
    "Mark",
    "Origin",
    "mark_for",
    "mark_in",
    "marked",
    "pixel_digest",
    "read_mark",
    "sidecar_for",
]

NAMESPACE = "urn:x-ldrps:restoration/1.0/"
"""Namespace of our own properties."""

_PREFIXES = Prefixes(
    rdf=RDF,
    xmp="http://ns.adobe.com/xap/1.0/",
    xmpMM="http://ns.adobe.com/xap/1.0/mm/",
    stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#",
    stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    ldrps=NAMESPACE,
)
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's term for a photo partly made by a model."""
_OURS = (
    "Version",
    "Date",
    "Layer",
    "Recipe",
    "Seed",
    "Model",
    "ModelHash",
    "Description",
    "Diagnosis",
    "GeneratedMean",
    "GeneratedMaximum",
    "SourcePixels",
    "SourcePathBytes",
    "Request",
    "Measured",
)
_REPLACED = (
    *("xmpMM:DocumentID", "xmpMM:InstanceID", "xmpMM:OriginalDocumentID", "xmpMM:DerivedFrom"),
    *("xmp:ModifyDate", "xmp:MetadataDate", "Iptc4xmpExt:DigitalSourceType"),
    *(f"ldrps:{name}" for name in (*_OURS, *PROPERTIES.values())),
    # A picture of the photo before its restoration.
    "xmp:Thumbnails",
)
_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The photo that a result was made from. Neutral: all empty, as for pixels without a file."""

    path: str = ""
    """Path relative to the result's folder, with / between folders; bytes that are no text as
    `os.fsdecode` gives them."""
    document_id: str = ""
    instance_id: str = ""
    pixels: str = ""
    """`pixel_digest` of the photo."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Statements of a result about itself."""

    document_id: str
    instance_id: str
    derived_from: Origin
    when: str
    """Time in ISO 8601."""
    version: str
    """Version of LD-RPS Restore."""
    layer: str
    """Name of the settings' layer that the file holds."""
    request: Mapping[str, object]
    """Result of Settings.as_dict(), as it was."""
    model: str
    model_hash: str = ""
    """sha256 over the model's weights; empty if the daemon did not say."""
    description: str = ""
    """Content of the photo in words; empty if that is not known."""
    diagnosis: str = ""
    """Diagnosis in words."""
    measured: Mapping[str, object] = field(default_factory=dict)
    """Diagnosis in figures."""
    generated: tuple[float, float] | None = None
    """Mean and maximum of the share that came from the model, 0 to 1; None if not measured."""

    def settings(self) -> Settings:
        """Return the request, to be made again; SettingsError if this version cannot."""
        try:
            return Settings(**self.request)  # type: ignore[arg-type]
        except TypeError:
            raise SettingsError(
                f"it was made by version {self.version}, whose request this version does not "
                "understand; use that version"
            ) from None


def mark_for(result: Result, layer: str, target: Path | None = None) -> Mark:
    """Make the mark of one layer of a result that is about to be written.

    `target` is its path, relative to which the original is named; None: it is not named.
    """
    settings = result.settings
    return Mark(
        document_id=f"xmp.did:{uuid.uuid4()}",
        instance_id=f"xmp.iid:{uuid.uuid4()}",
        derived_from=_origin(result, target),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("ldrps"),
        layer=layer,
        request=settings.as_dict(),
        model=result.model,
        model_hash=result.model_hash,
        description=result.description,
        diagnosis=result.words,
        measured=asdict(result.diagnosis) if result.diagnosis else {},
        generated=result.generated,
    )


def _origin(result: Result, target: Path | None) -> Origin:
    source = result.source
    if source is None:
        return Origin()
    packet = Packet(source.metadata.xmp)
    return Origin(
        path=_relative(source.path, target) if target and source.on_disk else "",
        document_id=packet.text(_PREFIXES.name("xmpMM:DocumentID")),
        instance_id=packet.text(_PREFIXES.name("xmpMM:InstanceID")),
        pixels=pixel_digest(source.photo),
    )


def _relative(source: Path, target: Path) -> str:
    return Path(os.path.relpath(source.resolve(), target.resolve().parent)).as_posix()


def pixel_digest(photo: Photo) -> str:
    """Return the sha256 over a photo's samples and profile; metadata does not change it."""
    digest = hashlib.sha256(f"{photo.width}x{photo.height} {photo.depth.value}".encode())
    digest.update(photo.icc_profile)
    samples = photo.to_samples()
    for top in range(0, photo.height, _ROWS):
        digest.update(np.ascontiguousarray(samples[top : top + _ROWS]).data)
    return f"sha256:{digest.hexdigest()}"


def marked(xmp: bytes, mark: Mark) -> bytes:
    """Return a packet with the mark, and everything else that the given one says."""
    packet = Packet(xmp)
    first = packet.text(_PREFIXES.name("xmpMM:OriginalDocumentID"))
    for qualified in _REPLACED:
        packet.remove(_PREFIXES.name(qualified))
    added = packet.add(_PREFIXES)
    _add_standard(added, mark, first or mark.derived_from.document_id)
    history = packet.sequence(_PREFIXES.name("xmpMM:History"))
    added.append("xmpMM:History", history, _event(mark))
    for name, value in _ours(mark).items():
        added.text(f"ldrps:{name}", value)
    return packet.to_bytes()


def _add_standard(added: Addition, mark: Mark, first: str) -> None:
    origin = mark.derived_from
    added.text("xmp:ModifyDate", mark.when)
    added.text("xmp:MetadataDate", mark.when)
    added.text("xmpMM:OriginalDocumentID", first)
    added.text("xmpMM:DocumentID", mark.document_id)
    added.text("xmpMM:InstanceID", mark.instance_id)
    if origin.pixels:
        reference = {
            "stRef:documentID": origin.document_id,
            "stRef:instanceID": origin.instance_id,
            "stRef:filePath": plain(origin.path),
        }
        added.struct("xmpMM:DerivedFrom", reference)
    added.text("Iptc4xmpExt:DigitalSourceType", SOURCE_TYPE)


def _event(mark: Mark) -> dict[str, str]:
    what = f" from {shown(mark.derived_from.path)}" if mark.derived_from.path else ""
    return {
        "stEvt:action": "derived",
        "stEvt:parameters": f"restored{what}: recipe {mark.request.get('recipe', '')}",
        "stEvt:instanceID": mark.instance_id,
        "stEvt:when": mark.when,
        "stEvt:softwareAgent": f"LD-RPS Restore {mark.version}",
    }


def _ours(mark: Mark) -> dict[str, str]:
    mean, maximum = mark.generated or ("", "")
    return {
        "Version": mark.version,
        "Date": mark.when,
        "Layer": mark.layer,
        "Recipe": str(mark.request.get("recipe", "")),
        "Seed": str(mark.request.get("seed", "")),
        "Model": mark.model,
        "ModelHash": mark.model_hash,
        "Description": mark.description,
        "Diagnosis": mark.diagnosis,
        "GeneratedMean": str(mean),
        "GeneratedMaximum": str(maximum),
        "SourcePixels": mark.derived_from.pixels,
        "SourcePathBytes": _path_bytes(mark.derived_from.path),
        "Request": json.dumps(dict(mark.request), sort_keys=True),
        "Measured": json.dumps(dict(mark.measured), sort_keys=True),
    }


def read_mark(path: Path) -> Mark | None:
    """Read the mark in a file, or in the sidecar next to it; None if there is none.

    Quick: no pixel is decoded. PhotoError if one of them cannot be read, or is no photo.
    """
    found = mark_in(embedded_xmp(path))
    return found or mark_in(xmp_beside(path))


def mark_in(xmp: bytes) -> Mark | None:
    """Read the mark in a packet; None if there is none that can be read."""
    # Most packets are not ours, and parsing is what takes time.
    if NAMESPACE.encode() not in xmp and NAMESPACE.encode("utf-16-le") not in xmp:
        return None
    packet = Packet(xmp)
    ours = {name: _property(packet, name) for name in _OURS}
    request = current_settings(_object(ours["Request"]))
    if not request:
        return None
    return Mark(
        document_id=packet.text(_PREFIXES.name("xmpMM:DocumentID")),
        instance_id=packet.text(_PREFIXES.name("xmpMM:InstanceID")),
        derived_from=_reference(packet, ours["SourcePixels"], ours["SourcePathBytes"]),
        when=ours["Date"],
        version=ours["Version"],
        layer=current_layer(ours["Layer"]),
        request=request,
        model=ours["Model"],
        model_hash=ours["ModelHash"],
        description=ours["Description"],
        diagnosis=ours["Diagnosis"],
        measured=current_figures(_object(ours["Measured"])),
        generated=_generated(ours),
    )


def _property(packet: Packet, name: str) -> str:
    """Return one of our properties, perhaps by its former name; empty if there is none."""
    text = packet.text(Name(NAMESPACE, name))
    if text or name not in PROPERTIES:
        return text
    return packet.text(Name(NAMESPACE, PROPERTIES[name]))


def _path_bytes(path: str) -> str:
    """Return the path in base64 where XML would change it: no UTF-8, control characters, blanks."""
    if shown(path) == path == path.strip() and not {"\ufffe", "\uffff"} & set(path):
        return ""
    return base64.b64encode(os.fsencode(path)).decode("ascii")


def _reference(packet: Packet, pixels: str, path_bytes: str) -> Origin:
    fields = packet.fields(_PREFIXES.name("xmpMM:DerivedFrom"))
    path = fields.get(_PREFIXES.name("stRef:filePath"), "")
    with suppress(ValueError):
        path = os.fsdecode(base64.b64decode(path_bytes, validate=True)) or path
    return Origin(
        path=path,
        document_id=fields.get(_PREFIXES.name("stRef:documentID"), ""),
        instance_id=fields.get(_PREFIXES.name("stRef:instanceID"), ""),
        pixels=pixels,
    )


def _object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    # JSON knows no tuples, and settings no lists.
    return {name: tuple(v) if isinstance(v, list) else v for name, v in value.items()}


def _generated(ours: dict[str, str]) -> tuple[float, float] | None:
    try:
        return float(ours["GeneratedMean"]), float(ours["GeneratedMaximum"])
    except ValueError:
        return None
