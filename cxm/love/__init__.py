"""Love: the inbox, conversations, cases and the clocks on them; every mention ends in a known state."""
