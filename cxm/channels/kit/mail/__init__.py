"""Mail parts for channels that read or write RFC 5322 messages."""
