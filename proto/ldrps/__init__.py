"""The generated contract lives in `ldrps.v1`."""
