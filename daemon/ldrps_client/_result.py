"""What a restoration gives back to the caller."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ldrps_client.files import Format, LoadedFile, Metadata, encode, file_bytes
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.errors import SettingsError
from ldrps_engine.photo import Photo
from ldrps_engine.result import Layer
from ldrps_engine.settings import Settings

if TYPE_CHECKING:
    from ldrps_client.credentials import Credentials


@dataclass(frozen=True, kw_only=True)
class Result:
    """The restored photo, and how it came about."""

    layers: tuple[Layer, ...]
    """In the order asked for; the restored photo only, unless others were asked for."""
    settings: Settings
    """The whole request."""
    diagnosis: Diagnosis | None
    """What was found wrong; None if the daemon did not say."""
    words: str
    """The diagnosis for people; empty if there is none."""
    description: str
    """What the photo shows, in words; empty if the user gave none and the tagger was not sure."""
    seconds: float
    """Working time, without the queue."""
    model: str
    seed: int
    job_id: str
    model_hash: str = ""
    """sha256 over the model's weights; empty if the daemon did not say."""
    generated: tuple[float, float] | None = None
    """Mean and maximum of what came from the model and not from the photo, 0 to 1 per pixel;
    None if the daemon did not say."""
    remarks: tuple[str, ...] = ()
    """For the user, a sentence each: what was asked for and is not done, and why."""
    source: LoadedFile | None = None
    """The file that was restored; None if it was no file."""

    @property
    def told(self) -> str:
        """The diagnosis for people, and what there is to remark."""
        return "; ".join(filter(None, (self.words, *self.remarks)))

    @property
    def photo(self) -> Photo:
        """The first layer: the restored photo unless others were asked for."""
        return self.layers[0].photo

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        layer: str | None = None,
        force: bool = False,
        credentials: Credentials | None = None,
    ) -> None:
        """Write a layer, by default the first, with all that belongs to the file it came from.

        Its XMP says how it was made, see `ldrps_client.provenance`; `credentials` sign that.
        The name's ending chooses the kind of file. OutputError if a file is there already and
        `force` is not given.
        """
        from ldrps_client.provenance import mark_for, marked

        chosen = self._layer(layer or self.layers[0].name)
        metadata = self.source.metadata if self.source else Metadata()
        mark = mark_for(self, chosen.name, Path(path))
        metadata = replace(metadata, xmp=marked(metadata.xmp, mark))

        def sign(data: bytes, kind: Format) -> bytes:
            name = Path(path).name
            return credentials.sign(data, kind, name, mark, self.source) if credentials else data

        encode(path, chosen.photo, like=self.source, metadata=metadata, force=force, finish=sign)

    def to_bytes(self, kind: Format | str, *, layer: str | None = None) -> bytes:
        """Encode a layer as a file of a kind such as "PNG", as `save` does but without a place.

        OutputError if that kind cannot hold the photo or its metadata.
        """
        from ldrps_client.provenance import mark_for, marked

        chosen = self._layer(layer or self.layers[0].name)
        metadata = self.source.metadata if self.source else Metadata()
        xmp = marked(metadata.xmp, mark_for(self, chosen.name))
        marked_metadata = replace(metadata, xmp=xmp)
        return file_bytes(_kind(kind), chosen.photo, like=self.source, metadata=marked_metadata)

    def _layer(self, name: str) -> Layer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in self.layers)
        raise SettingsError(f"layer '{name}' is not in this result; it has {names}")


def _kind(name: Format | str) -> Format:
    written = [kind for kind in Format if kind not in (Format.HEIF, Format.RAW)]
    for kind in written:
        if name is kind or str(name).upper() == kind.name:
            return kind
    names = ", ".join(kind.name for kind in written)
    raise SettingsError(f"kind '{name}' cannot be written; use one of {names}")
