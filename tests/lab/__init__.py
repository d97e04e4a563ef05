"""Against real servers on loopback, where their programs are installed."""
