"""A backup taken while ``cxm serve`` runs comes back whole in an empty place; a damaged one is refused before anything is written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from cxm.platform.postgres import USER, EmbeddedPostgres, socket_directory
from tests.kit.serving import Rest, Serve, WebhookAccount
from tests.kit.waiting import until

#: What a restored installation says of one conversation, through the doors of the slices.
LOOK = """
import json, sys
from uuid import UUID
from cxm.run.cli import kit
with kit.engines(None):
    from cxm.connect.accounts import credentials_of, find
    from cxm.kernel.actor import system
    from cxm.love import api as love
    from cxm.outbound import api as outbound
    from cxm.govern import api as govern
    organization = kit.organization_of(sys.argv[1])
    talk = love.conversation(system(organization, "test"), UUID(sys.argv[2]))
    account = find(organization, UUID(sys.argv[3]))
    print(json.dumps({
        "talk": talk,
        "replies": [[str(one.id), one.state, one.text] for one in outbound.replies(organization, UUID(sys.argv[2]))],
        "secret": credentials_of(account)["secret"],
        "audit": govern.verify_audit(organization).whole,
    }, default=str))
"""
#: What happens next is told after what happened before: a reader that stood at the end sees it.
LATER = """
import sys
from cxm.run.cli import kit
with kit.engines(None):
    from cxm.platform import events, jobs
    organization = kit.organization_of(sys.argv[1])
    end = events.ends([organization])[organization]
    from cxm.govern import api as govern
    govern.create_unit(kit.actor_of(organization), "After", govern.root_unit(organization))
    govern.stop_on(kit.actor_of(organization), "kind:call", "after")
    assert events.since(organization, end, permissions=None, limit=10), end
"""


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Serve]:
    """An installation that is not there yet, and has no key."""
    place = Serve(tmp_path / "restored")
    yield place
    with contextlib.suppress(OSError):
        shutil.rmtree(place.data)


def hunted(place: Serve, word: str) -> list[str]:
    """Where a word stands: in which column of the database, as text, or in which file beside it. Its PostgreSQL runs."""
    found: list[str] = []
    with psycopg.connect(host=str(socket_directory(place.data)), user=USER, dbname="cxm") as connection:
        columns = "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public'"
        for table, column, kind in connection.execute(columns).fetchall():
            text = sql.SQL("encode({}, 'escape')" if kind == "bytea" else "{}::text").format(sql.Identifier(column))
            look = sql.SQL("select exists(select 1 from {} where {} ilike %s)").format(sql.Identifier(table), text)
            found += [f"{table}.{column}"] if connection.execute(look, [f"%{word}%"]).fetchone() == (True,) else []
    for path in place.data.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the store had done with it
            if path.is_file() and "postgres" not in path.relative_to(place.data).parts and word.encode() in path.read_bytes():
                found.append(str(path))
    return found


@contextlib.contextmanager
def postgres_of(place: Serve) -> Iterator[None]:
    """Its PostgreSQL runs, so that not every command starts and stops it."""
    server = EmbeddedPostgres(place.data)
    server.start()
    try:
        yield
    finally:
        server.stop()


def script(place: Serve, text: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments], env=place.environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def backed_up(serve: Serve, folder: Path) -> dict[str, Any]:
    return json.loads(serve.cxm("backup", str(folder), "--json").stdout)


def test_a_backup_beside_serve_comes_back_whole(serve: Serve, rest: Rest, account: WebhookAccount, empty: Serve, tmp_path: Path) -> None:
    word = f"zaffre{uuid4().hex[:8]}"
    talk = account.talk(f"Where is my {word}?")
    reply = account.reply(talk, "On its way.", undo_seconds=60)
    gone = f"cerise{uuid4().hex[:8]}"
    said = account.say(f"I am {gone}.", gone, title=gone)
    taken_back = account.say(f"I never said {gone}.")
    theirs = account.conversation_of(gone)
    account.reply(theirs["id"], f"Dear {gone}, we are sorry.", undo_seconds=60)
    content = uuid4().bytes
    digest = hashlib.sha256(content).hexdigest()
    kept = serve.data / "blobs" / str(uuid4()) / digest[:2] / digest
    kept.parent.mkdir(parents=True)
    kept.write_bytes(content)

    folder = tmp_path / "backup"
    manifest = backed_up(serve, folder)
    assert json.loads((folder / "manifest.json").read_bytes())["counts"] == manifest["counts"]
    assert manifest["counts"]["conversations"] >= 1 and manifest["counts"]["replies"] >= 1
    key = (serve.data / "secret.key").read_text().strip().encode()
    assert not any(key in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    before = script(serve, LOOK, rest.name, talk, account.id)
    rest.call("DELETE", f"/replies/{reply}")

    # After the backup somebody takes back what they said, and somebody else is erased.
    account.deliver({"native_id": taken_back["native_id"], "deleted": True})
    until(lambda: rest.post("/mentions/search", {"query": gone}, 200)["count"] == 1, "what was taken back is gone")
    profile = theirs["author"]["profile"]
    assert rest.post(f"/profiles/{profile}/erase", {"reason": "Letter 4711."}, 202)["state"] == "waiting"
    until(lambda: rest.get(f"/profiles/{profile}/erase")["state"] == "done", "the erasure is done", 60)
    until(lambda: not hunted(serve, gone), "every job of the erasure is over", 60, every=1)
    ledger = serve.data / "erasures.jsonl"
    assert gone not in ledger.read_text() and said["native_id"] not in ledger.read_text()

    again = serve.cxm("backup", str(folder), check=False)
    assert again.returncode == 1 and "is not empty" in again.stderr, again.stderr

    dump = (folder / "database.dump.gz").read_bytes()
    (folder / "database.dump.gz").write_bytes(dump[:-1])
    refused = empty.cxm("restore", str(folder), check=False)
    assert refused.returncode == 1 and "Nothing was written" in refused.stderr and not empty.data.exists(), refused.stderr
    (folder / "database.dump.gz").write_bytes(dump)

    # One half of the ledger lies in the place that is restored into, the other is named.
    lines, other_half = ledger.read_text().splitlines(keepends=True), tmp_path / "other.jsonl"
    empty.data.mkdir()
    (empty.data / "erasures.jsonl").write_text(
        "".join(line for line in lines if '"person"' in line) + '{"kind": "pers'
    )  # cut off by a power cut
    other_half.write_text("".join(line for line in lines if '"deleted"' in line))
    answered = empty.cxm("restore", str(folder), "--json", "--erasures", str(other_half))
    done = json.loads(answered.stdout)
    assert done["key"] == "missing" and f"fingerprint {manifest['key_fingerprints'][0]}" in answered.stderr
    assert done["erased_again"] == {"people": 1, "mentions": 1}, answered.stderr
    assert not (empty.data / "secret.key").exists()
    shutil.copy(serve.data / "secret.key", empty.data / "secret.key")
    with postgres_of(empty):
        assert hunted(empty, gone) == []
        assert json.loads(empty.cxm("query", gone, "--organization", rest.name, "--json").stdout)["count"] == 0
        assert done["counts"] == manifest["counts"] and done["reindexed"] > 0
        assert rest.name in done["stopped"] and "may have been sent after the backup" in answered.stderr
        after = json.loads(script(empty, LOOK, rest.name, talk, account.id))
        assert after == json.loads(before)
        assert after["audit"] and after["secret"] == account.secret and after["replies"] == [[reply, "waiting", "On its way."]]
        assert (empty.data / kept.relative_to(serve.data)).read_bytes() == content
        found = json.loads(empty.cxm("query", word, "--organization", rest.name, "--json").stdout)
        assert found["count"] == 1
        assert "organization" in [
            one["scope"] for one in json.loads(empty.cxm("stop", "status", "--organization", rest.name, "--json").stdout)
        ]
        script(empty, LATER, rest.name)

    twice = empty.cxm("restore", str(folder), check=False)
    assert twice.returncode == 1 and "is not empty" in twice.stderr, twice.stderr
