"""Outbound's rights are love's (``conversations:reply``); declared there."""

PERMISSIONS = ()
