"""Paths of the results, settled and checked before any work is done."""

from __future__ import annotations

import itertools
import os
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ldrps_client._text import cause_and_remedy
from ldrps_client.files import LoadedFile, check_folder, check_target, result_suffix
from ldrps_client.files._names import fitting, longest_name
from ldrps_engine.errors import OutputError


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Files that one photo's restoration will write."""

    layers: dict[str, Path]
    """Path of each layer, by name; the first one asked for has the plain name."""
    before_after: Path | None
    problem: str = ""
    """Reason why the command line alone rules them out; empty if it does not."""
    variants: int | None = None
    """Number of results, each under these names with its number; None: one, under these names."""
    devices: tuple[tuple[Path, int], ...] = ()
    """Folder and file system of each at the start."""

    @property
    def output(self) -> Path:
        """Path of the first layer."""
        return next(iter(self.layers.values()))

    def each(self) -> list[Targets]:
        """Return the files of each result: of several, with -1, -2 ... behind the stems."""
        if self.variants is None:
            return [self]
        return [self._numbered(number) for number in range(1, self.variants + 1)]

    def _numbered(self, number: int) -> Targets:
        def named(path: Path) -> Path:
            return path.with_stem(f"{path.stem}-{number}")

        return Targets(
            layers={layer: named(path) for layer, path in self.layers.items()},
            before_after=named(self.before_after) if self.before_after else None,
        )

    def check_plan(self) -> None:
        """Raise OutputError if the command line alone says that they cannot be written."""
        if self.problem:
            raise OutputError(self.problem)

    def check(self, source: LoadedFile, *, force: bool, beside: Path | None = None) -> None:
        """Raise OutputError if one of them could not be written.

        Neither the source nor `beside` is ever written to.
        """
        self.check_mounts()
        # Neither original may be written to, whatever name leads to it.
        for original in (source.path, beside) if beside else (source.path,):
            for one in self.each():
                for path in one.layers.values():
                    check_target(path, force=force, source=original, photo=source.photo)
                if one.before_after:
                    check_target(one.before_after, force=force, source=original)
        # As much as the original, for want of a better guess of the result's size.
        room = 0
        with suppress(OSError):
            room = source.path.stat().st_size
        for folder in {path.parent for path in self.all()}:
            check_folder(folder, room)

    def of(self, names: Iterable[str]) -> Targets:
        """Keep these layers alone: stages that change nothing have none."""
        kept = set(names)
        layers = {name: path for name, path in self.layers.items() if name in kept}
        return replace(self, layers=layers)

    def check_mounts(self) -> None:
        """Raise OutputError if a disk has gone since the start and left an empty folder.

        A file written there would be in a place where it is not looked for.
        """
        for folder, device in self.devices:
            if _device(folder) not in (device, None):
                raise OutputError(
                    f"{folder} is on another disk than at the start: what was mounted there has "
                    "gone; bring it back and restore the photo again"
                )

    def all(self) -> list[Path]:
        """Return every path, those of the first result first."""
        return [path for one in self.each() for path in one._own()]

    def _own(self) -> list[Path]:
        return [*self.layers.values(), *([self.before_after] if self.before_after else [])]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Options of the command line for the place of results."""

    output: str | None
    """A file or a folder; None: next to the photo."""
    before_after: str | None = None
    layers: tuple[str, ...] = ("restored",)
    mark: str = "_restored"
    """Text behind the stem of the first layer's name."""
    variants: int | None = None
    """Number of results side by side; None: one without a number."""


def plan_targets(photos: Sequence[Path], wish: Wish) -> list[Targets]:
    """Plan the files of each photo, none of them twice: those of one name are numbered.

    OutputError if no photo's result could be written.
    """
    for text in (wish.output, wish.before_after):
        if text is not None and is_folder(text):
            check_folder(Path(text))
        elif text is not None and len(photos) > 1:
            raise OutputError(f"{text} would be written twice; give a folder with a trailing /")
    originals = {_place_of(photo) for photo in photos}
    taken: set[tuple[str, str]] = set()
    done: set[tuple[str, str]] = set()
    tried: dict[tuple[tuple[str, str], ...], int] = {}
    planned = []
    for photo in photos:
        targets = _free(photo, wish, taken, tried)
        places = [_place_of(path) for path in targets.all()]
        # A problem of one photo is reported in its turn: the others are restored all the same.
        if _place_of(photo) in done:
            targets = replace(targets, problem=f"{photo} is given twice; leave it out once")
        elif clash := next((p for p in targets.all() if _place_of(p) in originals), None):
            targets = replace(
                targets,
                problem=f"{clash} is one of the photos given, which are never written to; "
                "choose another name, or a folder with -o",
            )
        else:
            taken.update(map(_comparable, places))
        done.add(_place_of(photo))
        planned.append(targets)
    return _with_devices(planned)


def _with_devices(planned: list[Targets]) -> list[Targets]:
    found: dict[Path, int | None] = {}
    for targets in planned:
        for folder in set(_parents(targets)) - found.keys():
            found[folder] = _device(folder)
    known = {folder: device for folder, device in found.items() if device is not None}
    return [
        replace(each, devices=tuple((f, known[f]) for f in _parents(each) if f in known))
        for each in planned
    ]


def _parents(targets: Targets) -> list[Path]:
    return list(dict.fromkeys(path.parent for path in targets.all()))


def _device(folder: Path) -> int | None:
    try:
        return os.stat(folder).st_dev
    except OSError:
        return None  # reported where something is written


def _free(
    photo: Path,
    wish: Wish,
    taken: set[tuple[str, str]],
    tried: dict[tuple[tuple[str, str], ...], int],
) -> Targets:
    """Return the photo's files with the lowest number under which none is another photo's.

    `tried` is the number to begin at, by the files with no number: of 3,000 albums each has a
    `cover.jpg`.
    """
    plain = tuple(_comparable(_place_of(path)) for path in _targets(photo, wish, 1).all())
    for number in itertools.count(tried.get(plain, 1)):
        targets = _targets(photo, wish, number)
        places = [_comparable(_place_of(path)) for path in targets.all()]
        if len(set(places)) < len(places):
            raise OutputError(f"{targets.output} would be written twice; give one another name")
        if taken.isdisjoint(places):
            tried[plain] = number
            return targets
    raise AssertionError


def _comparable(place: tuple[str, str]) -> tuple[str, str]:
    """Return a key that is distinct even on memory cards and shares that ignore case."""
    folder, name = place
    return folder, unicodedata.normalize("NFC", name).casefold()


def _place_of(path: Path) -> tuple[str, str]:
    """Return a file's folder, whichever way it was named, and its name."""
    # Of the folder alone: a link to a photo is a photo of its own.
    return os.path.realpath(path.parent), path.name


def _targets(photo: Path, wish: Wish, number: int) -> Targets:
    """Return the files for a photo: next to it, in a folder, or where the user says."""
    first, *others = wish.layers
    tails = {first: wish.mark, **{name: f"{wish.mark}_{name}" for name in others}}
    extra = f"_{number}" if number > 1 else ""
    ending, both = result_suffix(photo), f"{extra}_before_after.jpg"
    names = [f"{extra}{tail}{ending}" for tail in tails.values()]
    folders = [_folder(photo, wish.output), _folder(photo, wish.before_after)]
    # One stem for all files of a photo, or they would not be recognised as belonging together.
    longest = min(longest_name(folder) for folder in folders)
    longest_tail = max([*names, *([both] if wish.before_after is not None else [])], key=len)
    longest_tail += f"-{wish.variants}" if wish.variants else ""
    stem = fitting(photo.stem, lambda stem: f"{stem}{longest_tail}", longest)
    layers = {name: folders[0] / f"{stem}{extra}{tail}{ending}" for name, tail in tails.items()}
    if wish.output is not None and not is_folder(wish.output):
        plain = Path(wish.output)
        layers = {name: plain.with_stem(f"{plain.stem}_{name}") for name in wish.layers}
        layers[first] = plain
    before_after = None
    if wish.before_after is not None:
        in_folder = is_folder(wish.before_after)
        before_after = folders[1] / f"{stem}{both}" if in_folder else Path(wish.before_after)
    return Targets(layers=layers, before_after=before_after, variants=wish.variants)


def _folder(photo: Path, wanted: str | None) -> Path:
    return Path(wanted) if wanted is not None and is_folder(wanted) else photo.parent


def is_folder(text: str) -> bool:
    """Tell whether an output path means a folder."""
    return text.endswith(os.sep) or os.path.isdir(text or ".")


def make_folders(*wanted: str | None) -> None:
    """Create the folders that were named with a / at their end."""
    for text in wanted:
        if text and text.endswith(os.sep):
            try:
                Path(text).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                why = cause_and_remedy(error)
                raise OutputError(f"folder {text} cannot be made: {why}") from None
