"""Write the plug-in's zip, to unpack by hand: `python plugin_gimp/pack.py [FOLDER]`."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
_EPOCH = (2026, 1, 1, 0, 0, 0)
_LEFT_OUT = {".po", ".pyc"}


def pack(folder: Path) -> Path:
    """Write ldrps-gimp-VERSION.zip into a folder. Same sources, same bytes."""
    text = (HERE / "ldrps" / "ldrps_gimp" / "__init__.py").read_text(encoding="utf-8")
    version = re.findall(r'VERSION = "(.+)"', text)[0]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"ldrps-gimp-{version}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((HERE / "ldrps").rglob("*")):
            if file.is_file() and file.suffix not in _LEFT_OUT:
                _add(archive, file)
    return path


def _add(archive: zipfile.ZipFile, file: Path) -> None:
    entry = zipfile.ZipInfo(str(file.relative_to(HERE)), _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    # GIMP runs a plug-in only if its file is executable.
    mode = 0o755 if file.name == "ldrps.py" else 0o644
    entry.external_attr = (0o100000 | mode) << 16
    archive.writestr(entry, file.read_bytes())


if __name__ == "__main__":
    print(pack(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "dist"))
