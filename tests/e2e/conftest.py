"""Fixtures of the tests with a real daemon."""

import signal

import pytest


@pytest.fixture
def succeed(start_daemon):
    """Kills a daemon and starts another one in its place."""

    def heir(daemon, **options):
        daemon.stop(signal.SIGKILL)
        return start_daemon(address=daemon.address, spool=daemon.spool, **options)

    return heir
