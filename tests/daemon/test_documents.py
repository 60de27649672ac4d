"""The threat model and the table of promises name tests that exist."""

import re

import pytest

from support.daemon import ROOT


@pytest.mark.parametrize(("document", "least"), [("security.md", 30), ("reliability.md", 15)])
def test_every_line_has_a_test_that_exists(document, least):
    text = (ROOT / "docs" / "operations" / document).read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)
    assert len(named) >= least
    for path, name in named:
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.M), f"{path}::{name}"


def test_no_threat_is_without_a_test():
    text = (ROOT / "docs" / "operations" / "security.md").read_text()
    (table,) = re.findall(r"\| threat .*?\n\n", text, re.S)
    for line in table.strip().splitlines()[2:]:
        assert "::test_" in line, line
