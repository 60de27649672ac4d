"""Messages and stubs of ldrps.v1, generated from restoration.proto by proto/generate.py."""
