"""Listening: sources, the intake of mentions, the mention store, topics, the coverage ledger."""
