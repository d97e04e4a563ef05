"""Channels: the connector contract, its kit, and one folder per channel. Plain Python: no Django, no platform."""
