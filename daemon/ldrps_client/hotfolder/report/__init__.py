"""Displays, logs, lists and pages about the events."""
