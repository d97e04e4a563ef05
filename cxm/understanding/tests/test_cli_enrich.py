"""``cxm enrich`` as a pure function: lines in, lines out, bad lines named, nothing lost."""

from __future__ import annotations

import json

import pytest

from cxm.understanding.cli_enrich import enrich_lines


def run(lines: list[bytes], **options: object) -> list[dict[str, object]]:
    return [json.loads(line) for line in enrich_lines(lines, **options)]  # type: ignore[arg-type]


def test_other_keys_pass_through_and_given_verdicts_stay() -> None:
    rows = run([
        '{"id": 7, "text": "Die Lieferung war furchtbar, ich bin sehr enttäuscht", "nested": {"a": [1]}}\n'.encode(),
        b'{"text": "I love it, thank you so much!", "sentiment": "neutral", "verdicts_by": "import"}\n',
    ])  # fmt: skip
    assert rows[0]["id"] == 7
    assert rows[0]["nested"] == {"a": [1]}
    assert (rows[0]["language"], rows[0]["sentiment"], rows[0]["verdicts_by"]) == ("de", "negative", "fast")
    assert set(rows[0]) >= {"emotions", "assessed", "intents", "spam", "offensive"}
    assert (rows[1]["sentiment"], rows[1]["verdicts_by"]) == ("neutral", "import")


def test_bad_lines_are_named_by_number_and_their_neighbours_go_on() -> None:
    rows = run([b"\n", b"{not json}\n", b"[1]\n", b'{"text": 5}\n', b'{"title": "Where is my order?"}\n', b"\xff\xfe\n", b"[" * 100_000])
    assert [row.get("line") for row in rows] == [2, 3, 4, None, 6, 7]
    assert all(isinstance(row["error"], str) for row in rows if row.get("line"))
    assert rows[3]["intents"] == ["question"]


def test_lone_surrogates_survive_the_way_out() -> None:
    assert run([b'{"text": "a \\ud800 b"}'])[0]["text"] == "a \ud800 b"


def test_explain_adds_spans_inside_the_text() -> None:
    row = run([b'{"text": "Que horreur, ce service est vraiment horrible"}'], explain=True)[0]
    parts = row["explanation"]
    assert isinstance(parts, list)
    assert {part["of"] for part in parts} >= {"sentiment"}
    assert all(0 <= start < end <= len(str(row["text"])) for part in parts for start, end in part["spans"])


def test_order_is_kept_with_workers() -> None:
    lines = [json.dumps({"n": number, "text": f"Text {number} is really great"}).encode() for number in range(1200)]
    assert [row["n"] for row in run(lines, workers=2)] == list(range(1200))


def test_unknown_tier_is_refused() -> None:
    with pytest.raises(ValueError, match="fast"):
        list(enrich_lines([b"{}"], tier="loud"))
