"""`ldrps redo`: a result made again from its own record, and compared with it."""

from __future__ import annotations

import os
from argparse import Namespace
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ldrps_client._result import Result
from ldrps_client._text import named, shown
from ldrps_client.cli._batch import run_batch
from ldrps_client.cli._output import warn
from ldrps_client.cli._progress import progress_for
from ldrps_client.cli._targets import Targets, Wish, make_folders, plan_targets
from ldrps_client.client import Choices, Client
from ldrps_client.files import LoadedFile, decode
from ldrps_client.provenance import Mark, pixel_digest, read_mark
from ldrps_engine.errors import PhotoError, SettingsError


def redo(options: Namespace) -> int:
    """Redo every result; the exit code is that of the first that failed."""
    make_folders(options.output)
    results = [Path(name) for name in options.photos]
    targets = plan_targets(results, Wish(output=options.output, mark="_redone"))
    with Client(options.address, autostart=not options.no_start) as client:

        def work(restored: Path, to: Targets) -> dict[str, Any]:
            return _redo(client, restored, to, options)

        return run_batch(zip(results, targets, strict=True), work, as_json=options.json)


def _redo(client: Client, restored: Path, to: Targets, options: Namespace) -> dict[str, Any]:
    to.check_plan()
    mark = _mark_of(restored)
    choices = _choices(mark)
    source = _original(restored, mark, options.original)
    to.check(source, force=options.force, beside=restored)
    target = to.output
    with progress_for(shown(restored.name), silent=options.json) as progress:
        result = client.restore(source, on_event=progress, **choices)
    to.check_mounts()
    result.save(target, layer=mark.layer, force=options.force)
    difference = _difference(restored, target)
    warnings = [*source.warnings, *_other_circumstances(restored, mark, result)]
    if not options.json:
        warn(warnings)
        print(f"{shown(restored)} -> {shown(target)} ({_words(difference)})")
    return {
        **named("photo", restored),
        **named("original", source.path),
        **named("output", target),
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
    """Rebuild the whole request; only the file's own layer of it is needed."""
    if mark.settings().damage == "mask":
        raise SettingsError(
            "it was made with a mask of damage, which it does not hold; "
            "restore the photo again with --damage"
        )
    values = mark.settings().as_dict() | {"layers": (mark.layer,)}
    return Choices(**values)  # type: ignore[typeddict-item,no-any-return]


def _original(restored: Path, mark: Mark, given: str | None) -> LoadedFile:
    """Find the photo that a result was made from by its recorded path, and check its pixels."""
    name = PurePosixPath(mark.derived_from.path).name
    if given:
        places = [Path(given) / name if os.path.isdir(given) else Path(given)]
    else:
        places = [restored.parent / mark.derived_from.path, restored.parent / name]
    found = next((place for place in places if name and os.path.isfile(place)), None)
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


def _difference(restored: Path, target: Path) -> float:
    """Return the largest difference of any sample, white being 1."""
    before, after = decode(restored).photo.pixels, decode(target).photo.pixels
    return float(np.abs(before - after).max()) if before.shape == after.shape else 1.0


def _words(difference: float) -> str:
    if difference == 0:
        return "the same pixels"
    return f"pixels differ by up to {difference:.4f} of white"


def _other_circumstances(restored: Path, mark: Mark, result: Result) -> list[str]:
    """List the circumstances that can make the pixels differ."""
    ours = version("ldrps")
    odd = []
    if mark.version != ours:
        odd.append(f"{restored} was made by version {mark.version}, and this is {ours}")
    if mark.model_hash and result.model_hash and mark.model_hash != result.model_hash:
        odd.append(f"{restored} was made by another model of the name {mark.model}")
    return odd
