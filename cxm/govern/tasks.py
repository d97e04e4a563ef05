"""What this slice does by the clock."""

from __future__ import annotations

import orjson

from cxm.platform import idempotency, jobs, mail, secrets


@jobs.periodic("govern.forget_idempotency_keys", "17 * * * *")
def forget_idempotency_keys() -> None:
    """Every hour: answers kept for Idempotency-Keys end after 24 hours."""
    idempotency.forget_old()


@jobs.task("govern.mail")
def send_mail(sealed: str) -> None:
    """One mail of ours: ``{to, subject, text}`` under seal, since it carries a link that lets somebody in."""
    letter = orjson.loads(secrets.unseal(sealed))
    mail.send(letter["to"], letter["subject"], letter["text"])


def mail_later(to: str, subject: str, text: str) -> bool:
    """Send a mail once this transaction is committed; False where the operator set no mail server up."""
    if mail.server() is None:
        return False
    send_mail.defer(sealed=secrets.seal(orjson.dumps({"to": to, "subject": subject, "text": text}).decode()))
    return True
