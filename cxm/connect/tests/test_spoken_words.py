"""What connectors find out is told in the member's language, also where it was stored in English long ago, filled in and composed."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.template import Context, Template
from django.utils import translation

from cxm.channels.contracts import TestStep
from cxm.channels.kit.mail.secured import UNREADABLE
from cxm.connect.models import Account, Gap
from cxm.design import refusals
from cxm.kernel.clock import now
from cxm.kernel.said import said
from tests.houses import House, _own_store, assert_safe, house  # noqa: F401 - fixtures
from tools import sentences

ARABIC = re.compile(r"[\u0600-\u06ff]")
AWAY = "The IMAP server mail.example:993 does not answer."
MEND = "Check host, port and security."


def test_every_sentence_with_places_is_known_again_once_filled_in():
    filled = {re.sub(r"\{(\w+)\}", "Zq7", one) for one in sentences.placed().splitlines()}
    assert len(filled) > 90
    for language, letters in (("ar", ARABIC), ("zh-hans", re.compile(r"[\u4e00-\u9fff]")), ("es", re.compile("."))):
        with translation.override(language):
            told = {one: refusals.told(one) for one in filled}
        assert not [one for one, shown in told.items() if shown == one or not letters.search(shown)]
        assert not [one for one, shown in told.items() if shown.count("Zq7") != one.count("Zq7")]
    with translation.override("en"):
        assert {refusals.told(one) for one in filled} == filled


def test_sentences_are_told_one_by_one_and_what_is_not_ours_stays():
    with translation.override("es"):
        assert refusals.told(f"{AWAY} {MEND}") == "El servidor IMAP mail.example:993 no responde. Revisa servidor, puerto y seguridad."
        assert refusals.told("Kaputt. Ganz und gar. Try again in a minute.") == "Kaputt. Ganz und gar. Inténtalo en un minuto."
        assert refusals.told("What x.example answered is no feed: This is a page, not a feed.").endswith("no un canal de noticias.")
        assert refusals.told("There is no folder “Inbox” in this mailbox.") == "No hay carpeta “Inbox” en este buzón."
        assert refusals.told("Nothing of this is ours. Nor this.") == "Nothing of this is ours. Nor this."


def test_a_mail_that_cannot_be_shown_stands_there_in_the_readers_language():
    shown = Template("{% load cxm %}<p dir='{{ text|text_dir }}'>{% highlight text %}</p>")
    with translation.override("ar"):
        told = shown.render(Context({"text": UNREADABLE}))
        assert "dir='rtl'" in told and "مشفّرة" in told and "encrypted" not in told
        assert "Hello there" in shown.render(Context({"text": "Hello there"}))


@pytest.mark.django_db
def test_an_account_that_is_cut_off_says_so_in_the_readers_language_on_every_page_it_stands_on(house: House):
    account = house.account().id
    Account.objects.for_organization(house.organization).filter(id=account).update(state="broken", health=AWAY, mend=MEND)
    Gap.objects.add(house.organization, account_id=account, began_at=now(), reason=AWAY)
    browser = house.browser()
    for page, times in ((f"/channels/{account}", 2), ("/channels", 1), ("/coverage", 1), ("/home", 1)):
        assert unescape(browser.get(f"{page}?lang=en").content.decode()).count(AWAY) >= times, page
        told = unescape(assert_safe(browser.get(f"{page}?lang=ar")))
        assert told.count("لا يجيب خادم IMAP") >= times and "does not answer" not in told, page
    steps = [TestStep(said("Connect to IMAP"), False, f"{AWAY} {MEND}")]
    with translation.override("zh-hans"):
        told = Template('{% include "connect/steps.html" %}').render(Context({"steps": steps, "ok": False}))
    assert "连接 IMAP" in told and "请检查主机、端口和安全设置。" in told and "Connect" not in told
