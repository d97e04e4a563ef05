"""What a query may cost. Over a limit it is refused, with the limit named."""

from __future__ import annotations

#: Longest query (characters).
LENGTH = 10_000
#: Deepest nesting of parentheses, NOT and ``-``.
DEPTH = 50
#: Most words, phrases and field conditions in one query, those of its topics included.
TERMS = 200
#: Most words in one phrase.
PHRASE_WORDS = 50
#: Largest distance of ``"a b"~N``, ``NEAR/N`` and ``ONEAR/N``.
NEAR = 50
#: Largest edit distance of ``fuzzy~N``.
FUZZY = 2
#: Fixed letters a wildcard must begin with; one where they are of a script without spaces.
WILDCARD_PREFIX = 2
#: Most ``*`` and ``?`` in one wildcard.
WILDCARD_SIGNS = 10
#: Most different words of the store that one wildcard or fuzzy word may stand for.
EXPANSIONS = 10_000
