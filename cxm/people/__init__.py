"""The CXM database: profiles, the identities they own on channels, and how we know that they are one person."""
