"""`ldrps restore`: one photo after the other; a bad one does not stop the rest."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from ldrps_client import events
from ldrps_client._amounts import amounts_of
from ldrps_client._damage import WITHOUT_MASK, mask_of, split_damage
from ldrps_client._result import Result
from ldrps_client._text import named, shown
from ldrps_client._variants import same_pixels, variant_seeds
from ldrps_client._watching import LostDaemonError
from ldrps_client.cli._batch import run_batch
from ldrps_client.cli._output import duration, warn
from ldrps_client.cli._progress import JsonLines, Progress, print_end, progress_for
from ldrps_client.cli._targets import Targets, Wish, make_folders, plan_targets
from ldrps_client.client import Choices, Client
from ldrps_client.credentials import Credentials
from ldrps_client.files import LoadedFile, decode, write_comparison
from ldrps_engine.errors import AccessError, LdrpsError, SettingsError, UnavailableError
from ldrps_engine.photo import check_damage
from ldrps_engine.settings import Settings

_ALIKE = (
    "all variants are the same: a seed changes what the model makes up, and here that is nothing; "
    "photos without colour get different ones with --recipe colour"
)


def restore(options: Namespace) -> int:
    """Restore every photo; the exit code is that of the first that failed."""
    if options.json and options.json_lines:
        raise SettingsError("--json and --json-lines exclude each other; leave one out")
    choices = _choices(options)
    layers = Settings(**split_damage(dict(choices))[0]).layers
    credentials = Credentials(*options.c2pa) if options.c2pa else None
    # Checked before anything is done: the last seed is used only after all others.
    if options.variants is not None:
        variant_seeds(options.seed, options.variants)
    make_folders(options.output, options.before_after)
    photos = [Path(name) for name in options.photos]
    _check_mask(options.damage, choices, photos)
    wish = Wish(
        output=options.output,
        before_after=options.before_after,
        layers=layers,
        variants=options.variants,
    )
    tasks = list(zip(photos, plan_targets(photos, wish), strict=True))
    with Client(options.address, autostart=not options.no_start) as client:
        work = _Work(client, choices, options, credentials)
        if options.json_lines:
            return run_batch(tasks, work.record, as_json=False, on_record=print_end)
        return run_batch(tasks, work.record, as_json=options.json)


def _choices(options: Namespace) -> Choices:
    given = "restored" if options.layers is None else options.layers
    layers = tuple(name.strip() for name in given.split(","))
    return Choices(
        recipe=options.recipe,
        strength=options.strength,
        description=options.description,
        recurrences=options.recurrences,
        steps=options.steps,
        seed=options.seed,
        model=options.model,
        noise_sigma=options.noise_sigma,
        describer=options.describer,
        solver=options.solver,
        allow_colour=options.allow_colour,
        damage=_damage(options.damage),
        amounts=amounts_of(options.amount or ()),
        layers=layers,
    )


def _damage(given: str | None) -> object:
    """Read the mask once for all photos, before anything is done."""
    return given if given is None or given in WITHOUT_MASK else mask_of(given)


def _check_mask(given: str | None, choices: Choices, photos: list[Path]) -> None:
    """Refuse a mask that does not fit one of the photos, before the first is restored."""
    mask = choices.get("damage")
    if not isinstance(mask, np.ndarray):
        return
    for path in photos:
        try:
            photo = decode(path).photo
        except LdrpsError:
            # Which is this photo's own trouble, and reported in its turn.
            continue
        try:
            check_damage(mask, photo.width, photo.height)
        except SettingsError as error:
            raise SettingsError(f"{path}: {error} (the mask is {given})") from None


class _Work:
    """Settings that are the same for every photo of one command."""

    def __init__(
        self,
        client: Client,
        choices: Choices,
        options: Namespace,
        credentials: Credentials | None,
    ) -> None:
        self._client = client
        self._choices = choices
        self._options = options
        self._credentials = credentials
        self._gone: AccessError | UnavailableError | None = None

    def record(self, photo: Path, targets: Targets) -> dict[str, Any]:
        """Restore one photo, report to the user, and return its --json record."""
        try:
            # Where no daemon can be had for one photo, none can be for the next.
            if self._gone:
                raise self._gone
            return self._restore(photo, targets)
        except (AccessError, UnavailableError) as error:
            self._gone = _for_the_rest(error)
            raise

    def _restore(self, photo: Path, targets: Targets) -> dict[str, Any]:
        targets.check_plan()
        source = self._read(photo)
        if not self._for_programs:
            warn(source.warnings)
        # After reading, before restoring: what the result can be written as depends on the photo,
        # and a minute's work should not end at a full disk.
        targets.check(source, force=self._options.force)
        if targets.variants is None:
            return self._one(photo, source, targets, self._options.seed)[0]
        return self._variants(photo, source, targets)

    def _one(
        self, photo: Path, source: LoadedFile, targets: Targets, seed: int
    ) -> tuple[dict[str, Any], Result]:
        began = time.monotonic()
        choices = Choices(**{**self._choices, "seed": seed})
        restarts: list[str] = []
        with self._progress(photo) as progress:

            def on_event(event: events.Event) -> None:
                if isinstance(event, events.Restarted):
                    restarts.append(event.words)
                progress(event)

            result = self._client.restore(source, on_event=on_event, **choices)
        self._write(result, targets)
        if not self._for_programs:
            _print_result(photo, targets, result)
        record = _record(photo, targets, result, time.monotonic() - began)
        record["warnings"] += restarts
        return record, result

    def _variants(self, photo: Path, source: LoadedFile, targets: Targets) -> dict[str, Any]:
        """Restore a photo with one seed after the other; each is written as soon as it is there."""
        records: list[dict[str, Any]] = []
        first, differ = None, False
        for seed, one in enumerate(targets.each(), self._options.seed):
            record, result = self._one(photo, source, one, seed)
            records.append(record)
            first = first or result
            differ = differ or not same_pixels(first, result)
        if len(records) > 1 and not differ:
            for record in records:
                record["remarks"].append(_ALIKE)
            if not self._for_programs:
                print(f"{shown(photo)}: {_ALIKE}")
        return {**records[0], "variants": records}

    def _read(self, photo: Path) -> LoadedFile:
        if not self._options.sidecars:
            return decode(photo)
        # Imported only where it is asked for, so that the command starts quickly.
        from ldrps_client.hotfolder.work._sidecars import with_sidecars

        return with_sidecars(decode(photo))

    @property
    def _for_programs(self) -> bool:
        return bool(self._options.json or self._options.json_lines)

    def _progress(self, photo: Path) -> Progress:
        if self._options.json_lines:
            return JsonLines(photo)
        return progress_for(shown(photo.name), silent=self._options.json)

    def _write(self, result: Result, targets: Targets) -> None:
        force, source = self._options.force, result.source
        # Once more, since disks may go during the work.
        targets.check_mounts()
        for layer in result.layers:
            result.save(
                targets.layers[layer.name],
                layer=layer.name,
                force=force,
                credentials=self._credentials,
            )
        if targets.before_after and source:
            write_comparison(targets.before_after, source.photo, result.photo, force=force)


def _for_the_rest(error: AccessError | UnavailableError) -> AccessError | UnavailableError:
    """Return what is said of photos that never had a job."""
    if not isinstance(error, LostDaemonError):
        return error
    return UnavailableError(
        "the daemon went away before the turn of this photo; start it again with 'ldrps serve' and "
        "restore the photo then"
    )


def _print_result(photo: Path, targets: Targets, result: Result) -> None:
    found = f"; {result.outcome}" if result.outcome else ""
    name = shown(photo)
    print(f"{name} -> {shown(targets.output)} ({duration(result.seconds)}{found})")
    for path in targets.of(layer.name for layer in result.layers).all()[1:]:
        print(f"{name} -> {shown(path)}")
    for remark in result.remarks:
        print(f"{name}: {remark}")
    if _was_left_grey(result):
        print(f"{name} has no colour and was left so; --recipe colour gives it some")


def _was_left_grey(result: Result) -> bool:
    """Tell whether colours were lacking, could have been given, and were not asked for."""
    seen, settings = result.diagnosis, result.settings
    could_be_given = seen is not None and seen.grey and not seen.graphic
    return could_be_given and settings.blind and not settings.allow_colour


def _layer_names(targets: Targets) -> dict[str, dict[str, str]]:
    """Name each layer's file as text, and where the name is not text, as bytes too."""
    names = {layer: named("name", path) for layer, path in targets.layers.items()}
    data = {layer: name["name_bytes"] for layer, name in names.items() if "name_bytes" in name}
    texts = {layer: name["name"] for layer, name in names.items()}
    return {"layers": texts, **({"layers_bytes": data} if data else {})}


def _record(photo: Path, targets: Targets, result: Result, elapsed: float) -> dict[str, Any]:
    from dataclasses import asdict

    diagnosis = asdict(result.diagnosis) if result.diagnosis else {}
    return {
        **named("photo", photo),
        **named("output", targets.output),
        **_layer_names(targets.of(layer.name for layer in result.layers)),
        "before_after": None,
        **(named("before_after", targets.before_after) if targets.before_after else {}),
        "seconds": round(result.seconds, 3),
        "elapsed_seconds": round(elapsed, 3),
        "diagnosis": {**diagnosis, "words": result.words},
        "description": result.description,
        "remarks": list(result.remarks),
        "generated": dict(zip(("mean", "maximum"), result.generated or (None, None), strict=True)),
        "filled": result.filled,
        "model": result.model,
        "seed": result.seed,
        "settings": result.settings.as_dict(),
        "job_id": result.job_id,
        "warnings": list(result.source.warnings) if result.source else [],
    }
