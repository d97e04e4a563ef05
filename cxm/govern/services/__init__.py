"""Writes of the slice, one module for each thing."""
