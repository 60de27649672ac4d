"""Scheduling: the order, time and place of jobs, and what becomes of those that fail."""
