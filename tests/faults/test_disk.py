"""A disk that is full or fails under the database, and a database that is out of memory: refused honestly, readable meanwhile, recovered
without a restart.

PostgreSQL itself says so here, with the same SQLSTATE as when it cannot extend a file, reach the disk or find memory. A failed fsync is
more: PostgreSQL panics then, ends every line and recovers from its log; so does it where one of its processes aborts.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from uuid import uuid4

import psycopg

from cxm.platform.postgres import DATABASE, USER, socket_directory
from tests.kit.browser import signed_in
from tests.kit.deliveries import message
from tests.kit.history import History
from tests.kit.provider import Provider
from tests.kit.serving import Rest, Serve, WebhookAccount
from tests.kit.waiting import until

FAULT = """
create function disk_is_full() returns trigger language plpgsql as $$
begin raise exception '{text}' using errcode = '{code}'; end $$;
"""
FAULTS = {
    "53100": 'could not extend file "base/16384/17001": No space left on device',
    "53200": "out of memory",
    "58030": 'could not fsync file "base/16384/17001": Input/output error',
}


@contextlib.contextmanager
def full_disk(serve: Serve, *tables: str, code: str = "53100") -> Iterator[None]:
    """No row gets into these tables."""
    with psycopg.connect(host=str(socket_directory(serve.data)), user=USER, dbname=DATABASE, autocommit=True) as line:
        line.execute(FAULT.format(text=FAULTS[code], code=code).encode())
        try:
            for table in tables:
                line.execute(f"create trigger disk_is_full before insert on {table} for each statement execute function disk_is_full()")
            yield
        finally:
            line.execute("drop function disk_is_full cascade")


def test_what_cannot_be_stored_is_refused_and_taken_once_there_is_room(
    serve: Serve, rest: Rest, provider: Provider, account: WebhookAccount
) -> None:
    history, page = History(rest, provider), signed_in(serve.url, rest.email)
    before = account.talk()
    for code in FAULTS:
        said = message(f"n-{uuid4().hex}", "Is anybody there?", f"full{code}")
        with full_disk(serve, "connect_delivery", code=code):
            for _ in range(3):
                answer = account.deliver(said, message_id=f"m-full-{code}")
                assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0, (code, answer.text)
            assert page.get("/inbox").status_code == page.get(f"/inbox/{before}").status_code == 200
            assert rest.get("/coverage")["heard"] > 0
        assert account.deliver(said, message_id=f"m-full-{code}").status_code == 202
        history.took(said["native_id"], f"full{code}")
        account.conversation_of(f"full{code}")
    history.check(account)


def test_a_panic_of_the_database_is_survived_without_a_restart(
    serve: Serve, rest: Rest, provider: Provider, account: WebhookAccount
) -> None:
    history, page = History(rest, provider), signed_in(serve.url, rest.email)
    conversation = account.talk()
    with psycopg.connect(host=str(socket_directory(serve.data)), user=USER, dbname=DATABASE, autocommit=True) as line:
        found = line.execute("select pid from pg_stat_activity where backend_type = 'checkpointer'").fetchone()
    assert found is not None
    os.kill(found[0], signal.SIGABRT)

    def stored() -> bool:
        said = message(f"n-{uuid4().hex}", "Still there?", "panic")
        answer = account.deliver(said)
        if answer.status_code == 202:
            history.took(said["native_id"], "panic")
        else:
            assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0, answer.text
        return answer.status_code == 202

    until(stored, "a delivery is stored again", 60)
    until(lambda: page.get(f"/inbox/{conversation}").status_code == 200, "the page is back", 60)
    account.conversation_of("panic")
    reply = account.reply(conversation, f"We are back {uuid4().hex}")
    until(lambda: rest.reply_of(reply)["state"] == "sent", "a reply is sent", 90)
    history.intends(reply, conversation)
    history.check(account)


def test_what_was_accepted_waits_for_room_further_in(serve: Serve, rest: Rest, provider: Provider, account: WebhookAccount) -> None:
    history = History(rest, provider)
    with full_disk(serve, "listen_record"):
        said = account.say("It is stored, and can go no further", "further")
        history.took(said["native_id"], "further")
        assert rest.get("/coverage")["waiting_deliveries"] >= 1
        assert account.conversations() == []
    account.conversation_of("further")
    until(lambda: rest.get("/coverage")["waiting_deliveries"] == 0, "intake rests")
    history.check(account)


def test_an_answer_that_cannot_be_written_down_is_refused_and_said_once_afterwards(
    serve: Serve, rest: Rest, provider: Provider, account: WebhookAccount
) -> None:
    history = History(rest, provider)
    conversation, key, text = account.talk(), uuid4().hex, f"With room {uuid4().hex}"
    path = f"/conversations/{conversation}/replies"
    with full_disk(serve, "outbound_intent"):
        answer = rest.call("POST", path, {"text": text}, Idempotency_Key=key)
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0 and answer.json()["detail"], answer.text
    with full_disk(serve, "outbound_attempt"):
        answer = until(
            lambda: (found := rest.call("POST", path, {"text": text}, Idempotency_Key=key)).status_code == 202 and found, "it is taken"
        )
        reply = answer.json()["id"]
        assert rest.reply_of(reply)["state"] == "queued", "no attempt can be written down, so none is made"
    until(lambda: rest.reply_of(reply)["state"] == "sent", "it is sent", 60)
    history.intends(reply, conversation)
    history.check(account)
