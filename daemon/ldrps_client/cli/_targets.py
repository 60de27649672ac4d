"""Where results go, settled and checked before any work is done."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ldrps_client.files import LoadedFile, check_target, result_suffix
from ldrps_engine.errors import OutputError


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The files that one photo's restoration will write."""

    layers: dict[str, Path]
    """By the layer's name; the first asked for has the plain name."""
    before_after: Path | None

    @property
    def output(self) -> Path:
        """Of the first layer."""
        return next(iter(self.layers.values()))

    def check(self, source: LoadedFile, *, force: bool) -> None:
        """Raise OutputError if one of them could not be written."""
        for path in self.layers.values():
            check_target(path, force=force, source=source.path, photo=source.photo)
        if self.before_after:
            check_target(self.before_after, force=force, source=source.path)

    def all(self) -> list[Path]:
        """Every path."""
        return [*self.layers.values(), *([self.before_after] if self.before_after else [])]


def targets_for(
    photo: Path, output: str | None, before_after: str | None, layers: tuple[str, ...]
) -> Targets:
    """Files for a photo: beside it, in a folder, or where the user says."""
    plain = _place(photo, output, "_restored")
    paths = {
        name: plain if index == 0 else plain.with_stem(f"{plain.stem}_{name}")
        for index, name in enumerate(layers)
    }
    both = _place(photo, before_after, "_before_after", ".jpg") if before_after else None
    return Targets(layers=paths, before_after=both)


def is_folder(text: str) -> bool:
    """Whether an output path means a folder."""
    return text.endswith(os.sep) or Path(text).is_dir()


def _place(photo: Path, wanted: str | None, mark: str, suffix: str | None = None) -> Path:
    name = f"{photo.stem}{mark}{suffix or result_suffix(photo)}"
    if wanted is None:
        return photo.with_name(name)
    return Path(wanted) / name if is_folder(wanted) else Path(wanted)


def check_apart(targets: list[Targets]) -> None:
    """Refuse two photos whose results would have one name."""
    seen: set[Path] = set()
    for path in (path for target in targets for path in target.all()):
        if path in seen:
            raise OutputError(f"{path} would be written twice; give a folder with a / at its end")
        seen.add(path)


def make_folders(*wanted: str | None) -> None:
    """Create the folders that were named with a / at their end."""
    for text in wanted:
        if text and text.endswith(os.sep):
            try:
                Path(text).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"folder {text} cannot be made: {error.strerror}") from None
