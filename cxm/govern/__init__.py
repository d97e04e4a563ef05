"""Who may do what: organizations, units, members, roles, sign-in, tokens, the stop and the audit log."""
