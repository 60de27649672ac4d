"""Processes that work on photos, the pipe to them, and the locks around foreign files."""
