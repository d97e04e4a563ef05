"""The composition root: configuration, addresses, the command line, serving. Imports every slice; nothing imports it."""
