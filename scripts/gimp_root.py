"""Make a throw-away Debian with a real GIMP 3 for tests: `scripts/gimp_root.py [SUITE] [--window]`.

Prints the folder. It is made once and kept in the user's cache; a later call only prints it. Root
rights are needed, and Debian's archive. Where something is missing, one line says what, and the
exit code is 3.

SUITE is trixie (GIMP 3.0) or forky (GIMP 3.2); `--window` adds what a real window needs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from scripts import debian_root
from scripts.debian_root import MISSING, Missing

SUITES = ("trixie", "forky")
_CONSOLE = "gimp,gir1.2-gimp-3.0,python3-gi,fonts-dejavu-core"
_WINDOW = "xvfb,xauth,dbus,xdotool,imagemagick,openbox,procps,adwaita-icon-theme"


def main() -> int:
    """Make the root unless it is there, and print its folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", nargs="?", default="trixie", choices=SUITES)
    parser.add_argument("--window", action="store_true")
    given = parser.parse_args()
    try:
        print(gimp_root(given.suite, window=given.window))
    except Missing as error:
        print(f"no GIMP to test with: {error}", file=sys.stderr)
        return MISSING
    return 0


def find_root(suite: str, *, window: bool = False) -> Path | None:
    """The folder of a root that is there, if this user can enter it."""
    names = [f"{suite}-window"] if window else [f"{suite}-window", suite]
    return debian_root.find("gimp", *names)


def gimp_root(suite: str, *, window: bool = False) -> Path:
    """The folder of a root with GIMP, made if need be; Missing says why there can be none."""
    debian_root.check_rights()
    if there := find_root(suite, window=window):
        return there
    name = f"{suite}-window" if window else suite
    return debian_root.make("gimp", name, suite, [_CONSOLE, _WINDOW] if window else [_CONSOLE])


if __name__ == "__main__":
    sys.exit(main())
