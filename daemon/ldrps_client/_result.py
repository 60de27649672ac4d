"""Result of a restoration, as the caller gets it."""

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
from ldrps_wire.former_names import current_layer

if TYPE_CHECKING:
    from ldrps_client.credentials import Credentials


@dataclass(frozen=True, kw_only=True)
class Result:
    """The restored photo, and how it was made."""

    layers: tuple[Layer, ...]
    """Layers in the order asked for; the restored photo only, unless others were asked for."""
    settings: Settings
    """Settings of the whole request."""
    diagnosis: Diagnosis | None
    """Findings about the photo; None if the daemon did not say."""
    words: str
    """Diagnosis in words; empty if there is none."""
    description: str
    """Content of the photo in words; empty if the user gave none and the tagger was not sure."""
    seconds: float
    """Working time in seconds, without the queue."""
    model: str
    seed: int
    job_id: str
    model_hash: str = ""
    """sha256 over the model's weights; empty if the daemon did not say."""
    generated: tuple[float, float] | None = None
    """Mean and maximum of the share that came from the model and not from the photo, 0 to 1 per
    pixel; None if the daemon did not say."""
    filled: float | None = None
    """Share of the photo, 0 to 1, that a mask marked and that was filled; None if there was none or
    nothing came of it."""
    remarks: tuple[str, ...] = ()
    """Remarks for the user, a sentence each: requests that were not carried out, and why."""
    source: LoadedFile | None = None
    """File that was restored; None if it was no file."""

    @property
    def outcome(self) -> str:
        """Return the diagnosis in words, after what a mask had filled, which it does not know."""
        if self.filled is None:
            return self.words
        filled = f"filled what the mask marks ({self.filled:.2%} of the photo)"
        others = self.words.replace("nothing found", "nothing else found", 1)
        return "; ".join(filter(None, (filled, others)))

    @property
    def summary(self) -> str:
        """Return the outcome, and the remarks."""
        return "; ".join(filter(None, (self.outcome, *self.remarks)))

    @property
    def photo(self) -> Photo:
        """First layer: the restored photo unless others were asked for."""
        return self.layers[0].photo

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        layer: str | None = None,
        force: bool = False,
        credentials: Credentials | None = None,
    ) -> None:
        """Write a layer, by default the first, with everything that belongs to its source file.

        Its XMP says how it was made, see `ldrps_client.provenance`; `credentials` sign that.
        The name's ending chooses the format. OutputError if a file is there already and
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
        """Encode a layer as a file of a format such as "PNG", as `save` does but in memory.

        OutputError if that format cannot hold the photo or its metadata.
        """
        from ldrps_client.provenance import mark_for, marked

        chosen = self._layer(layer or self.layers[0].name)
        metadata = self.source.metadata if self.source else Metadata()
        xmp = marked(metadata.xmp, mark_for(self, chosen.name))
        marked_metadata = replace(metadata, xmp=xmp)
        return file_bytes(_kind(kind), chosen.photo, like=self.source, metadata=marked_metadata)

    def _layer(self, name: str) -> Layer:
        for layer in self.layers:
            if layer.name == current_layer(name):
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
