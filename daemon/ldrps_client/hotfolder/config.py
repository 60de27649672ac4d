"""Settings of a hot folder: from the command line or a TOML file, validated once, frozen."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from ldrps_client._names import FORMER_KEYS
from ldrps_client._text import cause_and_remedy
from ldrps_client.hotfolder.detect._rules import DEFAULT_PATTERN, Rules, check_pattern
from ldrps_client.hotfolder.work._filters import Condition, parse_condition
from ldrps_engine.errors import SettingsError
from ldrps_engine.settings import Settings
from ldrps_wire.hints import did_you_mean

T = TypeVar("T")
LinkClean = Literal["no", "symlink", "hardlink", "copy"]
Poll = Literal["auto", "always", "never"]

_SETTINGS = {entry.name for entry in dataclasses.fields(Settings)} - {"layers"}


@dataclass(frozen=True, kw_only=True)
class FolderConfig:
    """One watched folder."""

    root: Path
    """Absolute path. Never written to, unless results go next to the originals."""
    out: Path | None = None
    """Absolute path; the tree below the root is mirrored in it. None: next to the originals."""
    settings: Settings = field(default_factory=Settings)
    recipe_by_folder: bool = True
    """True if a subfolder named after a recipe selects it."""
    recursive: bool = True
    rules: Rules = field(default_factory=Rules)
    settle: float = 5.0
    """Seconds for which a file must not change."""
    scan_every: float = 300.0
    """Seconds between full scans, whatever events report."""
    poll: Poll = "auto"
    """Choice of frequent scans instead of events; `auto`: on network mounts."""
    poll_every: float = 15.0
    """Seconds between scans when polling."""
    pattern: str = DEFAULT_PATTERN
    keyword: str | None = None
    """Keyword added to those of results."""
    filters: tuple[Condition, ...] = ()
    """Conditions for restoring a photo, which must meet one of them; empty: all photos are
    restored."""
    link_clean: LinkClean = "no"
    """Method of bringing photos that need nothing into `out`."""

    def __post_init__(self) -> None:
        check_pattern(self.pattern)
        for name, low in (("settle", 0.0), ("scan_every", 1.0), ("poll_every", 0.1)):
            if not getattr(self, name) >= low:
                raise SettingsError(f"{name} is {getattr(self, name)}; use {low:g} or more seconds")
        for name, kind in (("poll", Poll), ("link_clean", LinkClean)):
            if getattr(self, name) not in get_args(kind):
                raise SettingsError(
                    f"{name} '{getattr(self, name)}' is not known; use {', '.join(get_args(kind))}"
                )
        if self.link_clean != "no" and (self.out is None or not self.filters):
            raise SettingsError("link_clean needs an output folder and filters; give both")
        if self.out is not None and self.out == self.root:
            raise SettingsError(f"out is {self.out}, the watched folder itself; leave it out")

    @property
    def target(self) -> Path:
        """Folder that results go to."""
        return self.out or self.root


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Consideration for other users of the machine. Neutral: no limits."""

    parallel: int = 2
    """Photos handed in at the same time; the daemon works on one per device."""
    per_hour: float | None = None
    """Most photos that begin in an hour."""
    hours: tuple[time, time] | None = None
    """Start and end, by the local clock, of the hours when work may begin; may go past midnight."""
    pause_on_battery: bool = False
    notify: bool = False
    """True if the desktop shows failures, and the end of a batch."""

    def __post_init__(self) -> None:
        if not 1 <= self.parallel <= 64:
            raise SettingsError(f"parallel is {self.parallel}; use 1 to 64")
        if self.per_hour is not None and not self.per_hour > 0:
            raise SettingsError(f"per_hour is {self.per_hour}; use more than 0")


@dataclass(frozen=True, kw_only=True)
class WatchConfig:
    """Configuration of `ldrps watch`."""

    folders: tuple[FolderConfig, ...]
    schedule: Schedule = field(default_factory=Schedule)
    warnings: tuple[str, ...] = ()
    """Former names in the file that this was read from, a sentence each."""

    def __post_init__(self) -> None:
        if not self.folders:
            raise SettingsError("no folder is given; name one, or a --config file that does")
        roots = [folder.root for folder in self.folders]
        for index, root in enumerate(roots):
            for other in roots[index + 1 :]:
                if root.is_relative_to(other) or other.is_relative_to(root):
                    raise SettingsError(
                        f"{root} and {other} overlap; watch the outer one, which includes the other"
                    )


def parse_hours(text: str) -> tuple[time, time]:
    """Parse hours such as `22:00-06:00`."""
    found = re.fullmatch(r"(\d{1,2}:\d\d)-(\d{1,2}:\d\d)", text.replace(" ", ""))
    try:
        begin, end = (
            time.fromisoformat(part.zfill(5)) for part in (found.groups() if found else ())
        )
    except ValueError:
        raise SettingsError(f"hours '{text}' is not understood; write 22:00-06:00") from None
    if begin == end:
        raise SettingsError(f"hours '{text}' is no span; leave it out for the whole day")
    return begin, end


def load_config(path: Path) -> WatchConfig:
    """Read a TOML file; SettingsError names the file, the table and the key that is wrong."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {cause_and_remedy(error)}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not text in UTF-8; give a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    tables = data.pop("folder", [])
    if not isinstance(tables, list) or not tables:
        raise SettingsError(f"{path} names no folder; begin one with [[folder]]")
    try:
        schedule = schedule_from(data)
        named = [_with_current_names(table) for table in tables]
        folders = tuple(folder_from(table, path.parent) for table in named)
        former = sorted({name for table in tables for name in FORMER_KEYS if name in table})
        warnings = tuple(f"{path}: {n} is called {FORMER_KEYS[n]} now; rename it" for n in former)
        return WatchConfig(folders=folders, schedule=schedule, warnings=warnings)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def schedule_from(given: dict[str, Any]) -> Schedule:
    """Build a schedule from plain values, such as those of a file's top level."""
    values = dict(given)
    if isinstance(values.get("hours"), str):
        values["hours"] = parse_hours(values["hours"])
    return _made(Schedule, values)


def folder_from(given: dict[str, Any], base: Path = Path()) -> FolderConfig:
    """Build a folder from plain values, such as a [[folder]]'s; paths are relative to `base`."""
    values = dict(given)
    if not values.get("in"):
        raise SettingsError("a [[folder]] has no 'in'; name the folder to watch")
    values["root"] = _absolute(values.pop("in"), base)
    if values.get("out") is not None:
        values["out"] = _absolute(values["out"], base)
    if values.get("damage") == "mask":
        raise SettingsError("damage is 'mask', which is for one photo; use auto or off")
    values["settings"] = _made(Settings, _taken(values, _SETTINGS))
    values["rules"] = _made(
        Rules, {name: _texts(name, value) for name, value in _taken(values, _GLOBS).items()}
    )
    conditions = _texts("filters", values.pop("filters", ()))
    values["filters"] = tuple(parse_condition(text) for text in conditions)
    return _made(FolderConfig, values)


_GLOBS = {"include", "exclude"}


def _with_current_names(table: Any) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise SettingsError("folder is no list of tables; begin each with [[folder]]")
    values = dict(table)
    for former, current in FORMER_KEYS.items():
        if former in values and current in values:
            raise SettingsError(f"{former} is called {current} now; give {current} alone")
        if former in values:
            values[current] = values.pop(former)
    return values


def _taken(values: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: values.pop(name) for name in names & values.keys()}


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise SettingsError(f"{name} is {value!r}; give a list of texts")
    return tuple(texts)


def _absolute(value: Any, base: Path) -> Path:
    if not isinstance(value, str | Path):
        raise SettingsError(f"{value!r} is no path; give a text")
    # Resolved, so that one folder has one ledger by whichever way it is reached.
    return (base / Path(value).expanduser()).resolve()


def _made(kind: type[T], values: dict[str, Any]) -> T:
    known = {entry.name for entry in dataclasses.fields(cast(Any, kind))}
    if unknown := values.keys() - known:
        name = min(unknown)
        hint = _elsewhere(kind, name) or did_you_mean(name, _keys(kind), FORMER_KEYS)
        raise SettingsError(f"'{name}' is not known here{hint}; see docs/guide/hot-folder.md")
    for name, value in values.items():
        if name in _BOOLEANS and not isinstance(value, bool):
            raise SettingsError(f"{name} is {value!r}; use true or false")
    try:
        return kind(**values)
    except TypeError:
        raise SettingsError(
            f"{', '.join(sorted(values))}: one has a value of a wrong kind"
        ) from None


def _keys(kind: type) -> set[str]:
    """Names that a file has for the values of a kind."""
    own = {entry.name for entry in dataclasses.fields(cast(Any, kind))}
    if kind is FolderConfig:
        return (own - {"root", "settings", "rules"}) | {"in"} | _SETTINGS | _GLOBS
    return own


def _elsewhere(kind: type, name: str) -> str:
    """Say where in a file a name belongs, if that is not where it stands."""
    today = FORMER_KEYS.get(name, name)
    called = f" and is called {today} now" if today != name else ""
    if kind is Schedule and today in _keys(FolderConfig):
        return f": it belongs to a folder, below [[folder]]{called}"
    if kind is FolderConfig and today in _keys(Schedule):
        return ": it is for all folders, above the first [[folder]]"
    return ""


_BOOLEANS = {"recipe_by_folder", "recursive", "pause_on_battery", "notify"}
