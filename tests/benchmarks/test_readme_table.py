"""The figures in the README are the ones that the benchmark wrote."""

import json

from benchmarks.readme_table import ROOT, table, with_table


def test_readme_holds_the_measured_table():
    rows = json.loads((ROOT / "docs" / "research" / "quality.json").read_text())
    readme = (ROOT / "README.md").read_text()
    assert with_table(readme, rows) == readme


def test_every_set_is_above_its_degraded_row():
    rows = json.loads((ROOT / "docs" / "research" / "quality.json").read_text())
    psnr = {(row["set"], row["method"]): row["psnr"] for row in rows}
    for kind in ("lol", "hsts", "kodak24"):
        assert psnr[kind, "auto"] > psnr[kind, "degraded"]
    assert psnr["lol", "auto"] > 18.5


def test_table_has_a_line_a_method():
    row = {"set": "lol", "method": "auto", "n": 1, "psnr": 20.0, "ssim": 0.5, "lpips": None}
    text = table([row, row | {"set": "hsts", "lpips": 0.25}])
    assert "| **auto** (ours) | 20.00 / 0.500 | 20.00 / 0.500 / 0.250 | - |" in text
