"""Write the man pages from the parsers: `scripts/man_pages.py [FOLDER]`.

The folder is packaging/man unless another is named.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tomllib
from pathlib import Path

from argparse_manpage.manpage import Manpage

from ldrps_client.cli._parser import build_parser
from ldrps_daemon.__main__ import parser as daemon_parser

ROOT = Path(__file__).resolve().parents[1]
_DATE = r"^## {version} \(([\d-]+)\)$"


def main() -> int:
    """Write every page."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "packaging" / "man"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)
    return 0


def pages() -> dict[str, str]:
    """Text of each page by its file's name; the same for the same commit."""
    return {
        "ldrps.1": _page(build_parser(), "ldrps"),
        "ldrps-serve.1": _page(daemon_parser(), "ldrps-serve"),
    }


def _page(parser: argparse.ArgumentParser, title: str) -> str:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changes = (ROOT / "CHANGELOG.md").read_text()
    dated = re.search(_DATE.format(version=re.escape(version)), changes, re.MULTILINE)
    if not dated:
        raise SystemExit(f"CHANGELOG.md has no dated section for {version}; add one")
    data = {
        "description": (parser.description or "").strip().split("\n")[0].rstrip("."),
    }
    # Usages are wrapped at the terminal's width, whatever that is.
    os.environ["COLUMNS"] = "1000"
    lines = str(Manpage(parser, _data=data, format="single-commands-section")).splitlines()
    head = f'.TH {title.upper()} 1 "{dated[1]}" "ldrps {version}" "LD-RPS Restore"'
    body = [" ".join(line.split()) if line.startswith("usage:") else line for line in lines[1:]]
    body = [line.replace("ldrps serve \\-", "ldrps\\-serve \\-") for line in body]
    return "\n".join([head, *(line.rstrip() for line in body)]).rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.exit(main())
