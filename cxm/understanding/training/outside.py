"""Measures the intents, which no set trains, on other people's texts from other domains.

    python -m cxm.understanding.training.outside --data DIR

Prints F1 of the class and macro-F1 over yes and no.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cxm.understanding.api import assess
from cxm.understanding.training.data import clean
from cxm.understanding.training.measure import f1


def complaints(folder: Path) -> Iterator[tuple[str, bool]]:
    """Tweets to brands (danielpreotiuc/complaints-social-media), random tweets left out."""
    with (folder / "complaints" / "complaints.csv").open(encoding="utf-8", errors="replace", newline="") as lines:
        for cells in csv.reader(lines):
            if len(cells) == 4 and cells[2] in ("0", "1") and not cells[3].startswith("random"):
                yield clean(cells[1]), cells[2] == "1"


def suggestions(folder: Path) -> Iterator[tuple[str, bool]]:
    """Sentences of a software forum (SemEval-2019 Task 9 A): a wish or none."""
    with (folder / "suggestions-a" / "V1.4_Training.csv").open(encoding="utf-8", errors="replace", newline="") as lines:
        for cells in csv.reader(lines):
            if len(cells) == 3 and cells[2] in ("0", "1"):
                yield clean(cells[1]).strip('"'), cells[2] == "1"


def purchases(folder: Path) -> Iterator[tuple[str, bool]]:
    """Tweets about a telephone (hasanimran96): wants to buy it or not."""
    for name in ("AnnotatedData2.csv", "training.csv"):
        with (folder / "purchase-intent" / name).open(encoding="utf-8", errors="replace", newline="") as lines:
            for cells in csv.reader(lines):
                label = cells[0].strip().lower() if len(cells) > 1 else ""
                if label in ("yes", "pi", "no"):
                    yield clean(cells[1]), label != "no"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args(arguments).data
    for name, source in (("complaint", complaints), ("request", suggestions), ("purchase", purchases)):
        pairs = list(source(folder))
        verdicts = assess([text for text, _ in pairs], ["en"] * len(pairs))
        found = np.array([name in verdict.intents for verdict in verdicts])
        wanted = np.array([label for _, label in pairs])
        both = (f1(found, wanted) + f1(~found, ~wanted)) / 2
        sys.stdout.write(f"{name}: {len(pairs)} texts, {wanted.mean():.2f} positive, F1 {f1(found, wanted):.3f}, macro-F1 {both:.3f}\n")


if __name__ == "__main__":
    main()
