"""The one error of the benchmark commands."""

from __future__ import annotations


class BenchmarkError(Exception):
    """Something was asked for that cannot be done; the message is one clear sentence."""
