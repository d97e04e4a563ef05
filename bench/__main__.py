"""Run measurements: ``python -m bench`` for all, ``python -m bench intake imports`` for some."""

from __future__ import annotations

import importlib
import json
import sys

NAMES = ("imports", "intake", "latency", "stops", "pages", "memory", "fairness", "firehose", "feeds", "accounts", "heard", "mails")

for name in sys.argv[1:] or NAMES:
    print(name, json.dumps(importlib.import_module(f"bench.{name}").run()), flush=True)
