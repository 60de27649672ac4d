"""Rules for a folder: the files that count as photos, their recipes, and the names of results."""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from ldrps_client.files._formats import EXTENSIONS, result_suffix
from ldrps_client.files._names import fitting
from ldrps_engine.errors import SettingsError
from ldrps_engine.settings import RECIPES, Settings

DEFAULT_PATTERN = "{stem}_restored{ext}"
# A folder called `paper` holds scans more often than it asks for the published method.
FOLDER_RECIPES = frozenset(RECIPES) - {"paper"}
STAGED = ".ldrps-"
"""Prefix of the names of our own unfinished files."""
REJECTED = "ldrps-rejected"
"""Folder for rejected results, in the folder that results go to."""

# Hidden files are left out before this list is asked: dot files of macOS, Syncthing, Nextcloud,
# NFS, FUSE, exiftool and ourselves are among them.
_IGNORED_FILES = (
    # temporary and partial
    *("*~", "~$*", "~*", "#*#", "*.tmp", "*.temp", "*.part", "*.partial", "*.filepart"),
    *("*.crdownload", "*.download", "*.opdownload", "*.!ut", "*.swp", "*.bak"),
    # exiftool's backup, and sync programs' conflicts with themselves
    *("*_original", "*.sync-conflict-*"),
    *("thumbs.db", "desktop.ini", "ehthumbs*.db"),
)
_IGNORED_FOLDERS = (
    # Synology, QNAP and other NAS systems
    *("@*", "#recycle", "#snapshot", "#work"),
    *("$recycle.bin", "system volume information", "recycler", "lost+found"),
    # previews and backups of photo programs
    *("*.lrdata", "*.lrcat", "*.photoslibrary", "*.dtrash", "originals_backup", "~*"),
    REJECTED,
)
_FIELDS = re.compile(r"\{(\w*)\}")
_KNOWN_FIELDS = {"stem", "ext", "recipe"}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Selection of files in a folder. Neutral: every photo that is not hidden or temporary."""

    include: tuple[str, ...] = ()
    """Globs on the name or the path within the folder; empty: everything that can be written.

    Camera raw and HEIF files have to be named here: there is often a JPEG next to them.
    """
    exclude: tuple[str, ...] = ()

    def takes_file(self, relative: str) -> bool:
        """Tell whether a file, by its path within the folder, is for us."""
        name = os.path.basename(relative)
        if is_ignored(name, _IGNORED_FILES) or _matches(relative, self.exclude):
            return False
        if self.include:
            return is_readable_name(name) and _matches(relative, self.include)
        return is_photo_name(name)

    def takes_sidecar(self, relative: str) -> bool:
        """Tell whether a file may be the sidecar of a photo that is for us."""
        name = os.path.basename(relative)
        is_left_out = is_ignored(name, _IGNORED_FILES) or _matches(relative, self.exclude)
        return name.lower().endswith(".xmp") and not is_left_out

    def enters(self, relative: str) -> bool:
        """Tell whether a folder, by its path within the folder, is looked into."""
        name = os.path.basename(relative)
        return not is_ignored(name, _IGNORED_FOLDERS) and not _matches(relative, self.exclude)


def is_ignored(name: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether a name is hidden, or typical of temporary and system files."""
    return name.startswith(".") or _any(name.casefold(), patterns)


def is_photo_name(name: str) -> bool:
    """Tell whether a name has an extension of photos that we read and write."""
    return PurePath(name).suffix.lower() in EXTENSIONS


def is_readable_name(name: str) -> bool:
    """Tell whether a name has an extension of photos that we read."""
    path = Path(name)
    return is_photo_name(name) or result_suffix(path) != path.suffix


def _matches(relative: str, globs: tuple[str, ...]) -> bool:
    """Match whatever the case: cameras write .JPG, people type *.jpg."""
    path = relative.casefold()
    patterns = tuple(glob.casefold() for glob in globs)
    return _any(path, patterns) or _any(os.path.basename(path), patterns)


def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def settings_for(relative: str, settings: Settings) -> Settings:
    """Return the settings with the recipe that the nearest folder is named after, if one is."""
    for part in reversed(PurePath(relative).parts[:-1]):
        if part.lower() in FOLDER_RECIPES:
            return replace(settings, recipe=part.lower())
    return settings


def check_pattern(pattern: str) -> None:
    """Raise SettingsError unless results can be named by the pattern."""
    fields = set(_FIELDS.findall(pattern))
    if unknown := fields - _KNOWN_FIELDS:
        raise SettingsError(
            f"pattern '{pattern}' has the unknown field {{{min(unknown)}}}; "
            "use {stem}, {ext} and {recipe}"
        )
    if any(brace in _FIELDS.sub("", pattern) for brace in "{}"):
        raise SettingsError(f"pattern '{pattern}' has a brace too many; use {{stem}} and {{ext}}")
    if "stem" not in fields or not pattern.endswith("{ext}"):
        raise SettingsError(
            f"pattern '{pattern}' must have {{stem}} in it and {{ext}} at its end; "
            f"the default is '{DEFAULT_PATTERN}'"
        )
    if "/" in pattern or "\0" in pattern or pattern.startswith("."):
        raise SettingsError(f"pattern '{pattern}' is no file name; leave out / and a leading dot")


def result_name(
    source: str, pattern: str, recipe: str, number: int, ending: str, longest: int
) -> str:
    """Build a result's name; `number` from 2 on distinguishes results of the same name.

    The stem is shortened until the name has at most `longest` bytes.
    """
    extra = f"_{number}" if number > 1 else ""

    def name_of(stem: str) -> str:
        return pattern.format(stem=stem + extra, ext=ending, recipe=recipe)

    return name_of(fitting(PurePath(source).stem, name_of, longest))


def ending_for(source: str, *, deep: bool, alpha: bool) -> str:
    """Return the source's own extension where such files can be written, else the nearest one."""
    own = PurePath(source).suffix
    kind = EXTENSIONS.get(own.lower())
    # What is inside may be of another kind than the name says, and transparent.
    if kind and (kind.has_alpha or not alpha):
        return own
    return ".tif" if deep else ".png" if alpha else ".jpg"
