"""Accounts, credentials, the raw mailbox, polling and streams: everything between a platform and the first mapped mention."""
