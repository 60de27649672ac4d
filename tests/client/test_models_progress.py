"""Progress of `ldrps models`, as a terminal and a file get it."""

import io
import sys

import pytest

from ldrps_client.cli import _models


class Terminal(io.StringIO):
    def isatty(self):
        return True


def reported(monkeypatch, stream, *news):
    """Return the text written of some news."""
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(_models, "_TELL_SECONDS", -1.0)
    with _models._printed_progress("sd21", silent=False) as tell:
        for each in news:
            tell(*each)
    return stream.getvalue()


def test_a_node_that_has_reported_no_bytes_yet_is_named_all_the_same(monkeypatch):
    written = reported(monkeypatch, io.StringIO(), ("node 10.0.0.7/3fa0b1c2", 0, 0))
    assert written == "sd21: node 10.0.0.7/3fa0b1c2\n"


def test_bytes_are_reported_with_their_share(monkeypatch):
    written = reported(monkeypatch, io.StringIO(), ("unet", 1_000_000, 4_000_000))
    assert written == "sd21: 1.0 MB of 4.0 MB, 25 %, unet\n"


@pytest.mark.parametrize("last", [("unet", 4, 4), ("node 10.0.0.7/3fa0b1c2: unet", 2, 4)])
def test_what_follows_on_a_terminal_has_a_line_of_its_own(monkeypatch, last):
    written = reported(monkeypatch, Terminal(), last)
    assert written.startswith("\r")
    assert written.count("\n") == 1
    assert written.endswith("\n")
    assert reported(monkeypatch, Terminal()) == ""
