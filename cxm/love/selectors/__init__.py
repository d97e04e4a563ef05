"""Reads of love; every one limited to the units the actor may read."""
