"""Shared by both ends of the wire: addresses, ownership, status words, messages. No torch."""

from __future__ import annotations

import os

# Before gRPC is loaded, which else writes a line of its own for each handshake that fails: into
# the daemon's log as many as a stranger likes.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
