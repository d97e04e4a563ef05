"""What is new in a mail, in the forms that mail programs give to what is not."""

from __future__ import annotations

import time

import pytest

from cxm.channels.kit.mail import html, quotes

HEADINGS = {
    "english": "On Mon, Nov 2, 2026 at 3:04 PM Acme <care@acme.example> wrote:",
    "english, broken": "On Mon, Nov 2, 2026 at 3:04 PM Acme\n<care@acme.example>\nwrote:",
    "german": "Am Mo., 2. Nov. 2026 um 15:04 Uhr schrieb Acme <care@acme.example>:",
    "french": "Le lun. 2 nov. 2026 à 15:04, Acme <care@acme.example> a écrit :",
    "spanish": "El lun, 2 nov 2026 a las 15:04, Acme (<care@acme.example>) escribió:",
    "italian": "Il giorno lun 2 nov 2026 alle ore 15:04 Acme <care@acme.example> ha scritto:",
    "dutch": "Op ma 2 nov 2026 om 15:04 schreef Acme <care@acme.example>:",
    "portuguese": "Em seg., 2 de nov. de 2026 às 15:04, Acme <care@acme.example> escreveu:",
    "polish": "pon., 2 lis 2026 o 15:04 Acme <care@acme.example> napisał(a):",
    "swedish": "Den mån 2 nov. 2026 kl 15:04 skrev Acme <care@acme.example>:",
    "czech": "po 2. 11. 2026 v 15:04 odesílatel Acme <care@acme.example> napsal:",
    "russian": "пн, 2 нояб. 2026 г. в 15:04, Acme <care@acme.example>:",
    "japanese": "2026年11月2日(月) 15:04 Acme <care@acme.example>:",
    "chinese": "Acme <care@acme.example> 于2026年11月2日周一 15:04写道：",
    "korean": "2026년 11월 2일 (월) 오후 3:04, Acme <care@acme.example>님이 작성:",
    "arabic": "في الاثنين، 2 نوفمبر 2026 في 15:04 تمت كتابة ما يلي بواسطة Acme <care@acme.example>:",
    "turkish": "Acme <care@acme.example>, 2 Kas 2026 Pzt, 15:04 tarihinde şunu yazdı:",
}


@pytest.mark.parametrize("heading", HEADINGS.values(), ids=HEADINGS.keys())
@pytest.mark.parametrize("quote", ["> Hello\n>\n> Acme", "\n> Hello"])
def test_a_reply_above_its_quote(heading: str, quote: str) -> None:
    parts = quotes.split(f"Thank you.\n\n{heading}\n{quote}\n")
    assert parts.text == "Thank you."
    assert parts.quoted is not None and parts.quoted.startswith(heading) and "Hello" in parts.quoted


@pytest.mark.parametrize(
    "block",
    [
        "-----Original Message-----\nFrom: Acme\nSent: today\n\nHello",
        "-----Ursprüngliche Nachricht-----\nHallo",
        "________________________________\nFrom: Acme <a@b.example>\nSent: today\nTo: x\n\nHello",
        "Von: Acme <care@acme.example>\nGesendet: Montag\nAn: Ann\nBetreff: Re: x\n\nHallo",
        "发件人: Acme\n发送时间: 2026\n\n你好",
        "> On 2. Nov 2026, at 15:04, Acme <care@acme.example> wrote:\n>\n> Hello",
    ],
)
def test_a_block_below_the_reply(block: str) -> None:
    assert quotes.split(f"Thank you.\n\n{block}") == quotes.Parts("Thank you.", block, None)


@pytest.mark.parametrize(
    "text",
    [
        "On Mon, Acme <a@b.example> wrote:\n> Which size?\nLarge.\n> Which colour?\nBlue.",
        "On 3 May you wrote:\nwe will refund.\nI still have nothing!",
        "From: where should I pick it up?\nDate is fine.",
        "I wrote:\nplease help",
        "Buy list:\n--\nmilk",
        "> only a quote",
        "1 < 2 > 0",
    ],
)
def test_what_a_person_said_is_kept(text: str) -> None:
    assert quotes.split(text) == quotes.Parts(text)


def test_signatures() -> None:
    assert quotes.split("Hi\n\n-- \nAnn\nAcme") == quotes.Parts("Hi", None, "Ann\nAcme")
    assert quotes.split("Hi\n\nVon meinem iPhone gesendet\n") == quotes.Parts("Hi", None, "Von meinem iPhone gesendet")
    assert quotes.split("-- \nAnn").text == "-- \nAnn"


@pytest.mark.parametrize("piece", ["On ", "On 1\n", "From: a\n", "> \n", "_", "On 1 wrote ", "Am 1 schrieb a:\n", "--\n", " "])
def test_hostile_text_takes_no_time(piece: str) -> None:
    began = time.process_time()
    quotes.split(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "piece", ["<div>", "<", "<a ", "<!--", "<script>", "<blockquote>x", "<a href='http://x'>y</a>", "<img alt='", "&a", "<p "]
)
def test_hostile_markup_takes_no_time(piece: str) -> None:
    began = time.process_time()
    html.to_text(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("a<script>x</script >b<style>y</style>c", "abc"),
        ("a <!-- x > y --> b", "a b"),
        ("1 < 2 &lt; 3", "1 < 2 < 3"),
        ("<a href='javascript:x'>a</a> <a href='https://e.example/x'>b</a>", "a b (https://e.example/x)"),
        ("<a href='https://e.example'>https://e.example</a>", "https://e.example"),
        ("<p>a</p><blockquote>b<blockquote>c</blockquote></blockquote>d", "a\n\n> b\n>\n> > c\n>\nd"),
        ("<img src='https://t.example/p.gif'>a", "a"),
        ("<style>never ends", ""),
    ],
)
def test_markup_becomes_text(markup: str, text: str) -> None:
    assert html.to_text(markup) == text
