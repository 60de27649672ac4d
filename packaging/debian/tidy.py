"""Make an environment that was built here one of the place that it will be installed at.

`tidy.py FOLDER PLACE`, or `tidy.py --depends` for which Python that environment needs. Runs in
debian/rules, with Debian's own Python and nothing else.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

_KEPT = ("python", "python3", "ldrps")


def tidy(folder: Path, place: Path) -> None:
    """Remove what is of the place where it was built, and what nobody calls."""
    for program in (folder / "bin").iterdir():
        if program.name not in _KEPT:
            program.unlink()
    python = folder / "bin" / "python3"
    python.unlink()
    # Relative, as Debian wants links within /usr to be.
    python.symlink_to(os.path.relpath("/usr/bin/python3", place / "bin"))
    launcher = folder / "bin" / "ldrps"
    _, *rest = launcher.read_text().splitlines(keepends=True)
    launcher.write_text("".join([f"#!{place}/bin/python3\n", *rest]))
    settings = folder / "pyvenv.cfg"
    lines = settings.read_text().splitlines(keepends=True)
    settings.write_text("".join(line for line in lines if not line.startswith("command")))
    # Manual pages are where the system's are.
    for name in ("share", "include", "lib64", "etc"):
        path = folder / name
        if path.is_symlink():
            path.unlink()
        else:
            shutil.rmtree(path, ignore_errors=True)
    for where in folder.glob("lib/python3*/site-packages/*.dist-info/direct_url.json"):
        where.unlink()


def depends() -> str:
    """Return the versions of Python that load what was compiled for this one."""
    major, minor = sys.version_info[:2]
    return f"python3 (>= {major}.{minor}), python3 (<< {major}.{minor + 1})"


if __name__ == "__main__":
    if sys.argv[1] == "--depends":
        print(depends())
    else:
        tidy(Path(sys.argv[1]), Path(sys.argv[2]))
