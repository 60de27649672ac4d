"""Other people's code, unchanged."""
