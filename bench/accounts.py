"""2,000 idle accounts in one process: memory, CPU a minute, and how long it takes until one of them that does say something is heard.

700 feeds (asked every ten minutes or less often), 650 homeservers (a long poll each), 600 mailboxes (IDLE each), and 50 servers that take
the line and never answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.idle_provider import HOSTS
from bench.installation import Installation, installation
from bench.memory import processes, sizes

FEEDS, ROOMS, MAILBOXES, STUCK = 700, 650, 600, 50
ROUNDS = 20
_TICKS = os.sysconf("SC_CLK_TCK")


def run(minutes: float = 2.0, settle: float = 60) -> dict[str, object]:
    """Megabytes (PSS) and CPU seconds a minute, before and with the accounts; seconds until a word is heard."""
    provider = subprocess.Popen([sys.executable, "-m", "bench.idle_provider"], stdout=subprocess.PIPE, text=True)
    try:
        assert provider.stdout is not None
        ports = json.loads(provider.stdout.readline())
        allowed = ",".join([f"127.0.0.1:{ports['mail']}", *(f"127.0.0.{number}:{ports['web']}" for number in range(1, HOSTS + 2))])
        with installation(CXM_EGRESS_ALLOW=allowed) as made:
            made.serve()
            time.sleep(20)
            before = sizes(made), _cpu_of(made, 30)
            began = time.perf_counter()
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda body: made.call("POST", "/accounts", body), _bodies(ports)))
            connecting = time.perf_counter() - began
            heard = _until_all_looked_at(made)
            time.sleep(settle)
            asked = _counts(ports["web"])
            after = sizes(made), _cpu_of(made, minutes * 60)
            delays, failing = _delays(made, ports["web"]), _failing(made)
            return {
                "accounts": FEEDS + ROOMS + MAILBOXES + STUCK, "connected_in_s": round(connecting), "all_looked_at_after_s": round(heard),
                "pss_mb_before": before[0], "pss_mb": after[0], "cpu_s_a_minute_before": before[1], "cpu_s_a_minute": after[1],
                "provider_cpu_s": round(_cpu(provider.pid), 1), "asked_before_the_minutes": asked, "said_to_heard_s": delays, "failing": failing,
            }  # fmt: skip
    finally:
        provider.terminate()
        provider.wait(10)


def _bodies(ports: dict[str, int]) -> list[dict[str, Any]]:
    web = f"http://127.0.0.1:{ports['web']}"
    mail = {"imap_host": "127.0.0.1", "imap_port": ports["mail"], "imap_security": "plain"}
    found: list[dict[str, Any]] = [
        {
            "channel": "rss",
            "name": f"Feed {number}",
            "settings": {"feeds": [f"http://127.0.0.{number % HOSTS + 2}:{ports['web']}/feed/{number}"]},
        }
        for number in range(FEEDS)
    ]
    found += [
        {
            "channel": "matrix",
            "name": f"{name} {number}",
            "settings": {"server_url": f"{web}/{path}/{number}"},
            "credentials": {"access_token": "t"},
        }
        for name, path, count in (("Room", "m", ROOMS), ("Stuck", "stuck", STUCK))
        for number in range(count)
    ]
    found += [
        {"channel": "email", "name": f"Mail {number}", "settings": {"address": f"care{number}@bench.example", **mail}, "credentials": {"username": "u", "password": "p"}}
        for number in range(MAILBOXES)
    ]  # fmt: skip
    return found


def _accounts(made: Installation) -> Iterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        page = made.call("GET", f"/accounts?limit=500{f'&cursor={cursor}' if cursor else ''}")
        yield from page["items"]
        cursor = page["next"]


def _until_all_looked_at(made: Installation) -> float:
    began = time.perf_counter()
    while time.perf_counter() - began < 600:
        looked = sum(1 for one in _accounts(made) if one["last_ok_at"])
        if looked >= FEEDS + ROOMS + MAILBOXES:
            return time.perf_counter() - began
        time.sleep(2)
    raise RuntimeError(f"only {looked} accounts were looked at in ten minutes; failing: {_failing(made)}")


def _failing(made: Installation) -> dict[str, int]:
    """How many accounts say what is wrong with them, by kind and words."""
    return dict(Counter(f"{one['name'].split()[0]}: {one['health']}" for one in _accounts(made) if one["health"]).most_common(5))


def _delays(made: Installation, port: int) -> dict[str, float]:
    """From the moment something is said on a homeserver until a search finds it."""
    found = []
    for number in range(ROUNDS):
        began = time.perf_counter()
        _get(port, f"/say/{number * 31 % ROOMS}")
        while made.call("POST", "/mentions/search", {"query": "said", "limit": 1})["count"] <= number:
            if time.perf_counter() - began > 60:
                raise RuntimeError(f"what was said in room {number * 31 % ROOMS} was not heard within a minute; failing: {_failing(made)}")
            time.sleep(0.05)
        found.append(time.perf_counter() - began)
    found.sort()
    return {"p50": round(found[len(found) // 2], 2), "longest": round(found[-1], 2)}


def _counts(port: int) -> dict[str, int]:
    return json.loads(_get(port, "/counts"))


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return answer.read()


def _cpu_of(made: Installation, seconds: float) -> dict[str, float]:
    """CPU seconds a minute, by program, while nothing is asked of it."""
    before = {pid: (name, _cpu(pid)) for pid, name in _programs(made).items()}
    time.sleep(seconds)
    spent: dict[str, float] = {}
    for pid, name in _programs(made).items():
        spent[name] = spent.get(name, 0.0) + _cpu(pid) - before.get(pid, (name, 0.0))[1]
    return {name: round(value / seconds * 60, 2) for name, value in spent.items()}


def _programs(made: Installation) -> dict[int, str]:
    return dict(processes(made))


def _cpu(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
