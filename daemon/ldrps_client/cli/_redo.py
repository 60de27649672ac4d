"""`ldrps redo`: what a result says of itself, done again, and held against it."""

from __future__ import annotations

from argparse import Namespace
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ldrps_client._result import Result
from ldrps_client.cli._output import error_record, print_json, say, warn
from ldrps_client.cli._progress import progress_for
from ldrps_client.cli._targets import is_folder, make_folders
from ldrps_client.client import Choices, Client
from ldrps_client.files import LoadedFile, check_target, decode
from ldrps_client.provenance import Mark, pixel_digest, read_mark
from ldrps_engine.errors import LdrpsError, PhotoError


def redo(options: Namespace) -> int:
    """Redo every result; the exit code is that of the first that could not be."""
    make_folders(options.output)
    with Client(options.address, autostart=not options.no_start) as client:
        records = [_record(client, Path(name), options) for name in options.photos]
    if options.json:
        print_json({"results": records})
    return next((r["error"]["exit_code"] for r in records if "error" in r), 0)


def _record(client: Client, restored: Path, options: Namespace) -> dict[str, Any]:
    try:
        return _redo(client, restored, options)
    except LdrpsError as error:
        say(error)
        return {"photo": str(restored), "error": error_record(error)}


def _redo(client: Client, restored: Path, options: Namespace) -> dict[str, Any]:
    mark = _mark_of(restored)
    choices = _choices(mark)
    source = _original(restored, mark, options.original)
    target = _target(restored, options.output)
    check_target(target, force=options.force, source=restored, photo=source.photo)
    with progress_for(restored.name, silent=options.json) as progress:
        result = client.restore(source, on_event=progress, **choices)
    result.save(target, layer=mark.layer, force=options.force)
    difference = _difference(restored, target)
    warnings = [*source.warnings, *_other_circumstances(restored, mark, result)]
    if not options.json:
        warn(warnings)
        print(f"{restored} -> {target} ({_words(difference)})")
    return {
        "photo": str(restored),
        "original": str(source.path),
        "output": str(target),
        "same": difference == 0,
        "difference": difference,
        "warnings": warnings,
    }


def _mark_of(restored: Path) -> Mark:
    mark = read_mark(restored)
    if mark is None:
        raise PhotoError(
            f"{restored} does not say how it was made; it is no result of ldrps, "
            "or a program has taken its XMP away"
        )
    return mark


def _choices(mark: Mark) -> Choices:
    """The whole request, of whose layers only the file's own is needed."""
    values = mark.settings().as_dict() | {"layers": (mark.layer,)}
    return Choices(**values)  # type: ignore[typeddict-item,no-any-return]


def _original(restored: Path, mark: Mark, given: str | None) -> LoadedFile:
    """The photo that a result was made from, found by what it says and known by its pixels."""
    name = PurePosixPath(mark.derived_from.path).name
    if given:
        places = [Path(given) / name if Path(given).is_dir() else Path(given)]
    else:
        places = [restored.parent / mark.derived_from.path, restored.parent / name]
    found = next((place for place in places if name and place.is_file()), None)
    if found is None:
        wanted = mark.derived_from.path or "of pixels without a file"
        raise PhotoError(
            f"{restored}: its original, {wanted}, is not there; say where with --original"
        )
    source = decode(found)
    if pixel_digest(source.photo) != mark.derived_from.pixels:
        raise PhotoError(
            f"{found} has other pixels than what {restored} was made from; "
            "name the right photo with --original"
        )
    return source


def _target(restored: Path, output: str | None) -> Path:
    name = f"{restored.stem}_redone{restored.suffix}"
    if output is None:
        return restored.with_name(name)
    return Path(output) / name if is_folder(output) else Path(output)


def _difference(restored: Path, target: Path) -> float:
    """Largest difference of any sample, white being 1."""
    before, after = decode(restored).photo.pixels, decode(target).photo.pixels
    return float(np.abs(before - after).max()) if before.shape == after.shape else 1.0


def _words(difference: float) -> str:
    if difference == 0:
        return "the same pixels"
    return f"pixels differ by up to {difference:.4f} of white"


def _other_circumstances(restored: Path, mark: Mark, result: Result) -> list[str]:
    """What can make the pixels differ."""
    ours = version("ldrps")
    odd = []
    if mark.version != ours:
        odd.append(f"{restored} was made by version {mark.version}, and this is {ours}")
    if mark.model_hash and result.model_hash and mark.model_hash != result.model_hash:
        odd.append(f"{restored} was made by another model of the name {mark.model}")
    return odd
