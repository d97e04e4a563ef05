"""What the tests of the whole share: a served installation, signed deliveries, a provider of our own, a checker of both ledgers."""
