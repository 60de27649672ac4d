"""Readers and writers of each format."""
