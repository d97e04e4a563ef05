"""Matrix: rooms and direct messages on a homeserver."""
