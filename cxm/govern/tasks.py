"""What this slice does by the clock."""

from __future__ import annotations

from cxm.platform import idempotency, jobs


@jobs.periodic("govern.forget_idempotency_keys", "17 * * * *")
def forget_idempotency_keys() -> None:
    """Every hour: answers kept for Idempotency-Keys end after 24 hours."""
    idempotency.forget_old()
