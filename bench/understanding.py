"""Texts a second that the fast tier judges on one core, alone and in batches, and the memory its model takes.

python bench/understanding.py [--texts N]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

_WORDS = (
    "the parcel came late again and nobody answers my mails die Lieferung war schnell danke schön la comida estaba fría y el camarero"
    " fue muy amable 配送太慢了 客服 態度 很好 मेरा ऑर्डर अभी तक नहीं आया الخدمة ممتازة شكرا جزيلا produit cassé remboursement"
    " !!! 😡 😍 @acme #fail"
)
WORDS = _WORDS.split()


def texts(count: int, length: int = 100) -> list[str]:
    """Made-up texts of about ``length`` characters, all different."""
    made = []
    for number in range(count):
        words, size, at = [], 0, number * 7919
        while size < length:
            at = (at * 1103515245 + 12345) % (1 << 31)
            words.append(WORDS[(at >> 8) % len(WORDS)])
            size += len(words[-1]) + 1
        made.append(" ".join(words))
    return made


def resident() -> float:
    """Memory of this process in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=5000)
    given = parser.parse_args()
    import numpy as np

    np.ones((8, 8)) @ np.ones((8, 8))
    before = resident()
    began = time.perf_counter()
    from cxm.understanding.api import assess, explain, warm

    warm()
    print(f"load: {(time.perf_counter() - began) * 1000:.0f} ms, {resident() - before:.1f} MB beside numpy")
    many = texts(given.texts)
    for size in (1, 10, 100, 500):
        some = many[: given.texts if size > 1 else 500]
        began, wall = time.process_time(), time.perf_counter()
        for begin in range(0, len(some), size):
            assess(some[begin : begin + size])
        spent, wall = time.process_time() - began, time.perf_counter() - wall
        print(f"batches of {size}: {len(some) / spent:,.0f} texts/s of CPU, {wall / len(some) * 1e6:.0f} us a text")
    began = time.process_time()
    for text in many[:200]:
        explain(text)
    print(f"explain: {(time.process_time() - began) / 200 * 1000:.2f} ms a text")
    print(f"memory after all: {resident() - before:.1f} MB beside numpy")


if __name__ == "__main__":
    main()
