"""What axe finds on a page: only what a test looks at comes back, and of what passed only how many rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
_RUN = """(options) => axe.run({resultTypes: ['violations'], ...options}).then((found) => ({
  passes: found.passes.length,
  violations: found.violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, nodes: nodes.map((one) => one.html.slice(0, 200)) })),
}))"""


def bring(page: Any) -> None:
    """Load axe into the page, once for each page."""
    assert AXE.exists(), "axe-core is not installed; make install-test brings it"
    page.evaluate(AXE.read_text())


def look(page: Any, *, passes: int, **options: Any) -> list[dict[str, Any]]:
    """Violations, each with id, impact, help and the HTML of its ``nodes``; at least so many rules must have found something to pass."""
    found = page.evaluate(_RUN, options)
    assert found["passes"] >= passes, f"axe looked at {page.url}: {json.dumps(found)[:500]}"
    return found["violations"]  # type: ignore[no-any-return]
