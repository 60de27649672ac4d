"""Displays, logs, lists and pages about what happened."""
