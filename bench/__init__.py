"""Measurements: never part of a test. ``python -m bench [name ...]`` runs them and prints figures; docs/benchmarks.md keeps them."""
