"""The generic channel: anything that can make and answer a signed HTTP call."""
