"""Scheduling: the order, time and place of jobs, and the fate of those that fail."""
