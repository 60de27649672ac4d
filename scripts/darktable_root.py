"""Make a throw-away Debian with a real darktable for tests: `scripts/darktable_root.py [SUITE]`.

Prints the folder. It is made once and kept in the user's cache; a later call only prints it. Root
rights are needed, and Debian's archive. Where something is missing, one line says what, and the
exit code is 3.

SUITE is bookworm (darktable 4.2) or trixie (darktable 5.0).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from scripts import debian_root
from scripts.debian_root import MISSING, Missing

SUITES = ("bookworm", "trixie")
_PACKAGES = (
    "darktable,xvfb,xauth,xdotool,openbox,dbus,imagemagick,adwaita-icon-theme,fonts-dejavu-core"
)


def main() -> int:
    """Make the root unless it is there, and print its folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", nargs="?", default="trixie", choices=SUITES)
    try:
        print(darktable_root(parser.parse_args().suite))
    except Missing as error:
        print(f"no darktable to test with: {error}", file=sys.stderr)
        return MISSING
    return 0


def find_root(suite: str) -> Path | None:
    """The folder of a root that is there, if this user can enter it."""
    return debian_root.find("darktable", suite)


def darktable_root(suite: str) -> Path:
    """The folder of a root with darktable, made if need be; Missing says why there can be none."""
    debian_root.check_rights()
    return find_root(suite) or debian_root.make("darktable", suite, suite, [_PACKAGES])


if __name__ == "__main__":
    sys.exit(main())
