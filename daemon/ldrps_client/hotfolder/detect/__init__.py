"""Photos that appear: found by events and scans, settled, and taken in once."""
