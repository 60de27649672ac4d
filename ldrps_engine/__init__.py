"""The engine: a photo in, restored layers out. No gRPC, no GIMP, no files but models."""
