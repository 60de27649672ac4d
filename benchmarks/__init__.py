"""Commands that print the tables of the documentation."""
