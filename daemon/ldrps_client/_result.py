"""What a restoration gives back to the caller."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ldrps_client.files import LoadedFile, encode
from ldrps_engine.diagnosis import Diagnosis
from ldrps_engine.photo import Photo
from ldrps_engine.result import Layer
from ldrps_engine.settings import Settings


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
    """The text that conditioned the model."""
    seconds: float
    """Working time, without the queue."""
    model: str
    seed: int
    job_id: str
    source: LoadedFile | None = None
    """The file that was restored; None if it was no file."""

    @property
    def photo(self) -> Photo:
        """The first layer: the restored photo unless others were asked for."""
        return self.layers[0].photo

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the photo, with the metadata and compression of the file it came from.

        The name's ending chooses the kind of file. OutputError if a file is there already
        and `force` is not given.
        """
        encode(path, self.photo, like=self.source, force=force)
