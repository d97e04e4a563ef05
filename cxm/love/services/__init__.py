"""Writes of love, a file for each kind of verb."""
