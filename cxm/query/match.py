"""The in-memory matcher: whether one mention answers a query, and where."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime

from cxm.kernel.text import TOKEN_LIMIT, Token, fold, surface, terms
from cxm.query import ast, fields, moments
from cxm.query.subject import Subject, url_words

Span = tuple[int, int]


def places(node: ast.Words | ast.Wildcard | ast.Fuzzy) -> tuple[str, ...]:
    """The text fields a node looks into."""
    return (node.where,) if node.where else ("text", "title")


def needed(node: ast.Words) -> list[Token]:
    """The terms of a word or phrase, with their relative positions from 0."""
    return needed_in(node, node.where or "text")


def stands(node: ast.Node, subject: Subject, where: str) -> bool:
    """Whether a word, phrase, wildcard or NEAR stands in one text field."""
    return bool(_spans(node, subject, where))


def needed_in(node: ast.Words, where: str) -> list[Token]:
    """The terms of a word or phrase in one text field, with their relative positions from 0."""
    found = url_words(node.text) if where == "url" else terms(node.text)
    first = found[0].position if found else 0
    return [token._replace(position=token.position - first) for token in found]


def matches(node: ast.Node, subject: Subject, now: datetime) -> bool:
    """Whether the mention answers the query; ``now`` is what ``now-7d`` counts from."""
    match node:
        case ast.Everything():
            return True
        case ast.Words() | ast.Wildcard() | ast.Fuzzy() | ast.Near():
            return any(_spans(node, subject, where) for where in node_places(node))
        case ast.Is():
            return _is(node, subject)
        case ast.Range():
            return _in_range(node, subject, now)
        case ast.Topic():
            if node.query is None:
                return fold(node.name) in subject.exact.get("topic", ())
            return matches(node.query.root, subject, now)
        case ast.Not():
            return not matches(node.part, subject, now)
        case ast.And():
            return all(matches(part, subject, now) for part in node.parts)
        case ast.Or():
            return any(matches(part, subject, now) for part in node.parts)


def highlights(node: ast.Node, subject: Subject, where: str) -> list[Span]:
    """What to mark in a text field: ``(start, end)`` in characters, ascending, not overlapping."""
    marked: set[int] = set()
    _mark(node, subject, where, marked)
    ends: dict[int, int] = {}
    for token in subject.tokens(where):
        if token.position in marked:
            ends[token.start] = max(ends.get(token.start, 0), token.end)
    found: list[Span] = []
    for start, end in sorted(ends.items()):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _mark(node: ast.Node, subject: Subject, where: str, marked: set[int]) -> None:
    if isinstance(node, ast.Not):
        return
    if isinstance(node, ast.Near):
        if where in node_places(node):
            for left, right in _pairs(node, subject, where):
                marked.update(range(left[0], left[1] + 1), range(right[0], right[1] + 1))
        return
    if isinstance(node, ast.Words | ast.Wildcard | ast.Fuzzy):
        if where in places(node):
            for start, end in _spans(node, subject, where):
                marked.update(range(start, end + 1) if not isinstance(node, ast.Words) or node.slop is None else ())
            if isinstance(node, ast.Words) and node.slop is not None and _spans(node, subject, where):
                marked.update(p for term in needed(node) for p in subject.positions(where).get(term.text, ()))
        return
    for child in ast.children(node):
        _mark(child, subject, where, marked)


def node_places(node: ast.Node) -> tuple[str, ...]:
    """The text fields a text node (NEAR and groups included) looks into."""
    if isinstance(node, ast.Near):
        return node_places(node.left)
    if isinstance(node, ast.Or):
        return node_places(node.parts[0])
    return places(node) if isinstance(node, ast.Words | ast.Wildcard | ast.Fuzzy) else ()


# --- words -------------------------------------------------------------------------------------------------------------


def _spans(node: ast.Node, subject: Subject, where: str) -> list[Span]:
    """Where a word, phrase, wildcard, NEAR or Or-group stands in one text field: first and last position of each."""
    positions = subject.positions(where)
    match node:
        case ast.Words():
            if node.slop is not None:
                return _together(node, positions)
            return _phrase(node, subject, where, positions)
        case ast.Wildcard():
            pattern = fold(node.pattern)
            return sorted((at, at) for word, found in positions.items() if glob(pattern, word) for at in found)
        case ast.Fuzzy():
            wanted = terms(node.text)[0].text
            return sorted((at, at) for word, found in positions.items() if close(wanted, word, node.distance) for at in found)
        case ast.Or():
            return sorted({span for part in node.parts for span in _spans(part, subject, where)})
        case ast.Near():
            return [(min(left, right)[0], max(left[1], right[1])) for left, right in _pairs(node, subject, where)]
        case _:
            return []


def _phrase(node: ast.Words, subject: Subject, where: str, positions: dict[str, list[int]]) -> list[Span]:
    wanted = needed(node)
    if not wanted or any(term.text not in positions for term in wanted):
        return []
    last = wanted[-1].position
    rest = [(term.position, set(positions[term.text])) for term in wanted[1:]]
    found = [(at, at + last) for at in positions[wanted[0].text] if all(at + offset in places for offset, places in rest)]
    if not node.exact:
        return found
    written = _surfaces(subject, where)
    return [
        span
        for span in found
        if all(surface(node.text[term.start : term.end]) in written.get((term.text, span[0] + term.position), ()) for term in wanted)
    ]


def _surfaces(subject: Subject, where: str) -> dict[tuple[str, int], set[str]]:
    text = subject.text(where)
    found: dict[tuple[str, int], set[str]] = {}
    for token in subject.tokens(where):
        found.setdefault((token.text, token.position), set()).add(surface(text[token.start : token.end]))
    return found


def _together(node: ast.Words, positions: dict[str, list[int]]) -> list[Span]:
    """All the words in any order within a window: each as often as it is asked for."""
    wanted: dict[str, int] = {}
    for term in needed(node):
        wanted[term.text] = wanted.get(term.text, 0) + 1
    if any(len(positions.get(word, ())) < count for word, count in wanted.items()):
        return []
    stream = sorted((at, word) for word in wanted for at in positions[word])
    held: dict[str, int] = dict.fromkeys(wanted, 0)
    missing = len(wanted)
    found: list[Span] = []
    first = 0
    for at, word in stream:
        held[word] += 1
        missing -= held[word] == wanted[word]
        while stream[first][0] < at - (node.slop or 0):
            gone = stream[first][1]
            missing += held[gone] == wanted[gone]
            held[gone] -= 1
            first += 1
        if not missing:
            found.append((stream[first][0], at))
    return found


def _pairs(node: ast.Near, subject: Subject, where: str) -> list[tuple[Span, Span]]:
    """The pairs of occurrences near enough, measured from the nearer ends; one occurrence is never near itself."""
    lefts, rights = _spans(node.left, subject, where), _spans(node.right, subject, where)
    longest = max((end - start for start, end in rights), default=0)
    found: list[tuple[Span, Span]] = []
    for left in lefts:
        at = bisect_left(rights, (left[0] - node.distance - longest, 0))
        while at < len(rights) and rights[at][0] - left[1] <= node.distance:
            right = rights[at]
            at += 1
            after, before = right[0] - left[1], left[0] - right[1]
            near = after >= 1 if node.ordered else right != left and before <= node.distance
            if near:
                found.append((left, right))
                break
    return found


def glob(pattern: str, word: str) -> bool:
    """Whether ``word`` is like ``pattern`` (``*`` any characters, ``?`` one): no backtracking beyond the last star."""
    p = w = 0
    star, mark = -1, 0
    while w < len(word):
        if p < len(pattern) and (pattern[p] == "?" or (pattern[p] == word[w] and pattern[p] != "*")):
            p += 1
            w += 1
        elif p < len(pattern) and pattern[p] == "*":
            star, mark = p, w
            p += 1
        elif star >= 0:
            mark += 1
            p, w = star + 1, mark
        else:
            return False
    return pattern[p:].strip("*") == ""


def close(wanted: str, word: str, distance: int) -> bool:
    """Whether at most ``distance`` letters were changed, added, left out, or swapped with their neighbour."""
    if wanted == word:
        return True
    if abs(len(wanted) - len(word)) > distance or len(word) > TOKEN_LIMIT:
        return False
    before: list[int] = []
    row = list(range(len(word) + 1))
    for i, letter in enumerate(wanted, 1):
        now = [i]
        for j, other in enumerate(word, 1):
            cost = min(row[j] + 1, now[j - 1] + 1, row[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == word[j - 2] and wanted[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            now.append(cost)
        if min(now) > distance:
            return False
        before, row = row, now
    return row[-1] <= distance


# --- fields ------------------------------------------------------------------------------------------------------------


def wanted_values(node: ast.Is) -> set[str]:
    """The folded values any of which satisfies ``field:value``."""
    return {fold(each).strip() for each in (node.ids if node.ids is not None else (node.value,))}


def _is(node: ast.Is, subject: Subject) -> bool:
    return not wanted_values(node).isdisjoint(subject.exact.get(node.field, ()))


def time_bounds(node: ast.Range, now: datetime) -> tuple[int | None, int | None]:
    """A range over ``published`` in microseconds: the first inside, and the first after it that is not."""
    low = moments.span(node.low, now) if node.low is not None else None
    high = moments.span(node.high, now) if node.high is not None else None
    start = None if low is None else low[0] if node.low_in else low[1]
    end = None if high is None else high[1] if node.high_in else high[0]
    return start, end


def _in_range(node: ast.Range, subject: Subject, now: datetime) -> bool:
    if node.field in fields.DATES:
        start, end = time_bounds(node, now)
        return (start is None or subject.published >= start) and (end is None or subject.published < end)
    value = subject.number(node.field)
    if value is None:
        return False
    if node.low is not None and not (value >= float(node.low) if node.low_in else value > float(node.low)):
        return False
    return node.high is None or (value <= float(node.high) if node.high_in else value < float(node.high))
