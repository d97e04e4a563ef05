"""The one way out: every check between an intention and a connector, intents and outcomes, receipts."""
