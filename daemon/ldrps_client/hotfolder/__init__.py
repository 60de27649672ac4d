"""The hot folder: photos that appear in a folder come out restored, each exactly once."""

from __future__ import annotations
