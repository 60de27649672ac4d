"""docs/reference/formats.md holds what is measured."""

import re

import pytest

from benchmarks.formats import DOCUMENT, with_tables


def cells(document):
    """Return the cells of both tables, with figures taken apart from words."""
    tables = re.findall(r"<!-- (colour|grey) -->\n(.*?)<!-- /", document, re.DOTALL)
    assert [name for name, _ in tables] == ["colour", "grey"]
    lines = [line for _, table in tables for line in table.splitlines()]
    return [cell.strip() for line in lines for cell in line.strip("|").split("|")]


def test_the_tables_are_what_is_measured():
    """Lossy codecs may differ by a hair from machine to machine; nothing exact may."""
    document = DOCUMENT.read_text()
    written, measured = cells(document), cells(with_tables(document))
    assert len(written) == len(measured) > 100
    number = re.compile(r"\d+(?:\.\d+)?(?!-| bit)")
    for before, now in zip(written, measured, strict=True):
        assert number.sub("#", before) == number.sub("#", now), "run: python benchmarks/formats.py"
        for one, other in zip(number.findall(before), number.findall(now), strict=True):
            assert float(one) == pytest.approx(float(other), rel=0.3, abs=0.2)


def test_lossless_formats_lose_nothing():
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith(("| PNG, ", "| TIFF, ")):
            found = {cell.strip() for cell in line.strip("|").split("|")[1:]}
            assert found == {"exact"}, line
