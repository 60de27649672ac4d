"""Photos on their way through the daemon to their place, and every trouble on it."""
