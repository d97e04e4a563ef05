"""A channel that nobody planned, all the way inside: connected by the page its manifest makes, heard, and gone quiet in words."""

from __future__ import annotations

import json
from html import unescape

import pytest
from typer.testing import CliRunner

from cxm.channels.contracts import AuthExpired
from cxm.channels.telegram.tests.provider import ANN, TOKEN, BotApi
from cxm.connect import api as connect
from cxm.connect.models import Account
from cxm.run.cli import app
from tests.houses import House, _own_store, assert_safe, house, post  # noqa: F401 - fixtures
from tests.journey.test_polled_channels import Ear

pytestmark = pytest.mark.django_db
GROUP = {"id": -1002000000001, "type": "supergroup", "title": "Bakery friends", "username": "bakery_friends"}


def test_the_page_connects_a_bot_and_what_it_hears_becomes_conversations(house: House) -> None:
    browser = house.browser()
    page = unescape(assert_safe(browser.get("/channels/new/telegram")))
    for word in ("Make a bot", "/newbot", "https://t.me/BotFather", "/setprivacy", "Bot token", "https://api.telegram.org"):
        assert word in page, word
    made = post(browser, "/channels/new/telegram", {"name": "Care", "credentials.token": TOKEN, "action": "connect"})
    row = Account.everywhere.get(channel="telegram")  # everywhere: a test
    assert made.status_code < 400 and row.settings["server_url"] == "https://api.telegram.org"
    assert TOKEN not in unescape(assert_safe(browser.get(f"/channels/{row.id}"))), "what is sealed is not shown"

    api = BotApi()
    ear = Ear(house, api.web, row.channel, account=row.id)
    number = api.hears("Where is my ordr?")
    api.hears(new_chat_members=[ANN], chat=GROUP)
    api.hears("Nice rolls", chat=GROUP)
    ear.listen()
    conversation = ear.conversation()  # one alone: nobody waits in the group, and that somebody joined is no mention
    assert (conversation["kind"], [one["text"] for one in conversation["mentions"]]) == ("private", ["Where is my ordr?"])
    assert {one["text"] for one in ear.mentions()} == {"Where is my ordr?", "Nice rolls"}

    api.update(edited_message={"message_id": number, "from": ANN, "chat": {"id": ANN["id"], "type": "private"}, "date": 1_763_805_600, "edit_date": 1_763_805_660, "text": "Where is my order?"})  # fmt: skip
    ear.listen()
    assert [one["text"] for one in ear.conversation()["mentions"]] == ["Where is my order?"]
    counted = connect.mailbox_sum(house.organization, row.id)
    assert (counted.accepted, counted.changed, counted.duplicate, counted.quarantined) == (2, 1, 0, 0)
    api.token = None
    with pytest.raises(AuthExpired, match="does not know this bot token"):
        ear.listen()


def test_one_channel_is_graded_by_its_name() -> None:
    done = CliRunner().invoke(app, ["channels", "score", "telegram", "--json"])
    assert done.exit_code == 0, done.output
    [graded] = json.loads(done.stdout)
    # Telegram has no key for a call and gives nothing to read back: the rest of gold is met.
    assert (graded["channel"], graded["tier"], len(graded["missing"])) == ("telegram", "silver", 1)
