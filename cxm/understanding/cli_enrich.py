"""``cxm enrich``: JSON lines in, JSON lines out, with what the models found. Pure: no files, no server, no database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import Any

from cxm.understanding.api import assess
from cxm.understanding.api import explain as explain_one
from cxm.understanding.contracts import Explanation, Verdict

#: Lines handed to the models together; also what a worker gets at a time.
BATCH_LINES = 500
TIERS = ("fast", "deep", "both")
_Numbered = tuple[int, bytes]


def enrich_lines(lines: Iterable[bytes], *, tier: str = "fast", explain: bool = False, workers: int = 1) -> Iterator[bytes]:
    """Each line with its verdicts added, in order; constant memory, at most ``workers`` batches under way.

    A line is a JSON object with ``text`` (or ``title``); other keys pass through as they are, verdicts that the line already has are
    kept. A line that cannot be used becomes ``{"error": ..., "line": N}``, counted from 1; blank lines are left out.
    ``explain`` adds ``explanation``: a list of ``{"of", "value", "spans": [[start, end], ...]}`` in characters of ``text``.

    Raises ``ValueError`` for an unknown tier; without a deep tier installed ``deep`` and ``both`` are judged by the fast one, and
    ``verdicts_by`` says so.
    """
    if tier not in TIERS:
        raise ValueError(f"tier must be one of {', '.join(TIERS)}")
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    batches = iter(lambda: list(islice(numbered, BATCH_LINES)), [])
    if workers <= 1:
        for batch in batches:
            yield from _enriched(batch, explain)
        return
    # spawn: a fork of a process with threads (the server, the engines) can hang
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: list[Future[list[bytes]]] = []
        for batch in batches:
            waiting.append(pool.submit(_enriched, batch, explain))
            if len(waiting) > workers:
                yield from waiting.pop(0).result()
        for future in waiting:
            yield from future.result()


def _enriched(batch: list[_Numbered], explained: bool) -> list[bytes]:
    read = [_read(number, line) for number, line in batch]
    good = [(row, text) for row, text in read if text is not None]
    hints = [row["language"] if isinstance(row.get("language"), str) else None for row, _ in good]
    if explained:
        explanations: list[Explanation | None] = [explain_one(text, hint) for (_, text), hint in zip(good, hints, strict=True)]
        verdicts = [explanation.verdict for explanation in explanations if explanation]
    else:
        explanations = [None] * len(good)
        verdicts = assess([text for _, text in good], hints)
    for (row, _), verdict, explanation in zip(good, verdicts, explanations, strict=True):
        _fill(row, verdict, explanation)
    return [_line(row) for row, _ in read]


def _read(number: int, line: bytes) -> tuple[dict[str, Any], str | None]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return {"error": f"This line is not JSON: {error}", "line": number}, None
    if not isinstance(row, dict):
        return {"error": "This line is not a JSON object; give one object with a text on each line.", "line": number}, None
    text = row.get("text")
    if text is None:
        text = row.get("title")
    if not isinstance(text, str):
        return {"error": 'This line has no "text" that is a string.', "line": number}, None
    return row, text


def _fill(row: dict[str, Any], verdict: Verdict, explanation: Explanation | None) -> None:
    found = {
        "language": verdict.language,
        "sentiment": verdict.sentiment,
        "emotions": list(verdict.emotions),
        "assessed": list(verdict.assessed),
        "intents": list(verdict.intents),
        "spam": verdict.spam,
        "offensive": verdict.offensive,
    }
    given = [key for key in found if row.get(key) is not None]
    for key, value in found.items():
        if key not in given:
            row[key] = value
    row.setdefault("verdicts_by", verdict.verdicts_by)
    if explanation is not None:
        row["explanation"] = [
            {"of": part.of, "value": part.value, "spans": [[span.start, span.end] for span in part.spans]} for part in explanation.carried
        ]


def _line(row: dict[str, Any]) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n"
    except UnicodeEncodeError:  # a lone surrogate can only be written as an escape
        return json.dumps(row).encode("ascii") + b"\n"
