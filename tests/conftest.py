"""Fixtures that tests of every room may use."""

from support import plugin
from support.daemon import daemon, start_daemon

__all__ = ["daemon", "start_daemon"]

plugin.load()
