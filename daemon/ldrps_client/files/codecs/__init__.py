"""Readers and writers of each kind of file."""
