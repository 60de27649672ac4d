"""Logs, metrics and traces. None of them holds pixels or prompts."""
