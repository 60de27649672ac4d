"""Put the quality benchmark's rows into the README: `python benchmarks/readme_table.py`.

Reads docs/research/quality.json, which is what `benchmarks/quality.py --json` wrote there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- quality -->\n", "<!-- /quality -->"
SETS = ("lol", "hsts", "kodak24")


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table, a line a method and a column a set: PSNR / SSIM / LPIPS."""
    cells = {(row["method"], row["set"]): _cell(row) for row in rows}
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = ["| method | " + " | ".join(SETS) + " |", "|---" * (len(SETS) + 1) + "|"]
    for method in methods:
        name = f"**{method}** (ours)" if method in ("auto", "fast", "paper", "pilot") else method
        values = (cells.get((method, kind), "-") for kind in SETS)
        lines.append(f"| {name} | " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: dict[str, Any]) -> str:
    distance = "" if row["lpips"] is None else f" / {row['lpips']:.3f}"
    return f"{row['psnr']:.2f} / {row['ssim']:.3f}{distance}"


def with_table(readme: str, rows: list[dict[str, Any]]) -> str:
    """The README's text with the table between its marks replaced."""
    before, rest = readme.split(START)
    _, after = rest.split(END)
    return before + START + table(rows) + END + after


def main() -> int:
    """Rewrite README.md in place."""
    rows = json.loads((ROOT / "docs" / "research" / "quality.json").read_text())
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text(), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
