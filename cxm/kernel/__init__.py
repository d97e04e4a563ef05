"""Plain Python that every slice stands on: no Django, no network, no files."""
