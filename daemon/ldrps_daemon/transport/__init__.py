"""Network side of the daemon: connections, permissions and incoming data."""
