"""Bluesky, and every other place that speaks the AT Protocol."""
