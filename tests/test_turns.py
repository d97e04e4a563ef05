"""Who runs what when (tests/turns.py): played with processes that only note what they are handed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.turns import LONG, TOGETHER, pytest_xdist_make_scheduler, rank

ROOT = Path(__file__).parent.parent


class Process:
    """One that is handed tests by their numbers, as xdist does it."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.tests: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.tests += numbers

    def shutdown(self) -> None:
        self.shutting_down = True


def play(tests: list[str], takes: dict[str, int], processes: int = 2) -> list[list[tuple[int, str]]]:
    """What each process began when, where a test of a file takes so long (1 where nothing is said)."""
    config: Any = SimpleNamespace(getvalue=lambda name: ["popen"] * processes, option=SimpleNamespace())
    nodes: list[Any] = [Process(f"gw{number}") for number in range(processes)]
    turns = pytest_xdist_make_scheduler(config, None)
    for node in nodes:
        turns.add_node(node)
        turns.add_node_collection(node, tests)
    turns.schedule()
    began: list[list[tuple[int, str]]] = [[] for _ in nodes]
    done = [0] * processes
    free = [0] * processes
    for moment in range(1000):
        for at, node in enumerate(nodes):
            # A process runs a test once it knows the next, or that there is none.
            while free[at] <= moment and (len(node.tests) - done[at] >= 2 or (node.shutting_down and len(node.tests) > done[at])):
                if began[at] and len(began[at]) > done[at]:
                    done[at] += 1
                    turns.mark_test_complete(node, node.tests[done[at] - 1])
                    continue
                test = tests[node.tests[done[at]]]
                began[at].append((moment, test))
                free[at] = moment + takes.get(test.partition("::")[0], 1)
    return began


def test_every_test_runs_once_and_long_files_begin_first() -> None:
    long, other, third = "tests/faults/test_crashes.py", "tests/lab/test_mail.py", "tests/journey/test_backup.py"
    short = [f"cxm/a/tests/test_{number}.py" for number in range(12)]
    tests = [f"{path}::test_{number}" for path in (long, other, third, *short) for number in range(5 if path in short else 3)]
    began = play(tests, {long: 20, other: 20, third: 15})
    assert sorted(test for process in began for _, test in process) == sorted(tests)
    assert [process[0][1].partition("::")[0] for process in began] == [long, other]
    third_process = next(process for process in began if any(test.startswith(third) for _, test in process))
    assert [test.partition("::")[0] for _, test in third_process[:3]] == [third_process[0][1].partition("::")[0]] * 3


def test_nothing_long_waits_behind_a_long_test() -> None:
    """A file of one long test, then one more long file: whoever is free takes it, not who is busy."""
    single, other, third = "tests/browser/test_every_page.py", "tests/lab/test_mail.py", "tests/faults/test_engines_away.py"
    short = [f"cxm/a/tests/test_{number}.py" for number in range(4)]
    tests = [f"{single}::test_all", *(f"{path}::test_{number}" for path in (other, third, *short) for number in range(2))]
    began = play(tests, {single: 50, other: 2, third: 2})
    busy = next(process for process in began if process[0][1].startswith(single))
    assert not [test for _, test in busy if test.startswith((other, third))]
    assert sorted(test for process in began for _, test in process) == sorted(tests)


def test_what_shares_a_server_stays_together() -> None:
    second, first = next(iter(TOGETHER.items()))
    tests = [f"{path}::test_{number}" for path in (first, second, "cxm/a/tests/test_1.py", "cxm/a/tests/test_2.py") for number in range(2)]
    began = play(tests, {})
    assert [[test for _, test in process if test.startswith((first, second))] for process in began if process[0][1].startswith(first)] == [
        tests[:4]
    ]


def test_the_list_names_what_there_is() -> None:
    for name in (*LONG, *TOGETHER, *TOGETHER.values()):
        assert (ROOT / name).exists(), f"tests/turns.py names {name}, which is not there"
    assert all(rank(path) < len(LONG) for path in TOGETHER)
