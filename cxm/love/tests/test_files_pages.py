"""Files with an answer, by HTTP: attached, kept with the draft, sent, taken back; refused in words before they are sent."""

from __future__ import annotations

import json
import re
from uuid import UUID

import pytest
from django.test import Client

from cxm.connect import api as connect
from cxm.love.tests.conftest import World
from cxm.love.tests.test_pages import _quick_passwords, browser, conversation, join, page, part, signed_in  # noqa: F401 - fixtures
from cxm.outbound.models import Intent, Upload

pytestmark = pytest.mark.django_db
SAYS = "div#composer-says"


def attach(client: Client, conversation: UUID, name: str = "kettle.png", content: bytes = b"picture", mode: str = "private"):
    """What the composer sends for one file."""
    query = f"?name={name}&type=image/png&mode={mode}"
    headers = {"HX-Request": "true", "HX-Target": SAYS}
    return client.post(f"/inbox/{conversation}/files{query}", content, content_type="application/octet-stream", headers=headers)


def test_a_file_is_attached_kept_with_the_draft_sent_and_given_back(world: World, browser: Client, conversation: UUID) -> None:
    shown = page(browser, f"/inbox/{conversation}")
    assert 'data-files-say="Up to 10 files, together 10 MB; no programs."' in shown and "data-file-input" in shown
    answer = attach(browser, conversation, "<i>kettle.png")
    assert answer.status_code == 200
    chip = answer.content.decode()
    key = re.search(r'name="media" value="([0-9a-f-]{36})"', chip)
    assert key and "i_kettle.png" in chip and "<i>" not in chip and 'data-mode="private"' in chip
    browser.post(f"/inbox/{conversation}/draft", {"text": "", "visibility": "private", "media": [key[1]]})
    assert f'data-file="{key[1]}"' in page(browser, f"/inbox/{conversation}"), "it is there again after a reload"
    sent = part(browser, f"/inbox/{conversation}/write", {"text": "", "visibility": "private", "media": [key[1]]}, target=SAYS)
    assert sent.status_code == 200, sent.content
    (made,) = Intent.objects.for_organization(world.organization)
    assert made.media[0]["upload"] == key[1] and made.text == ""
    fresh = page(browser, f"/inbox/{conversation}")
    assert f'data-file="{key[1]}"' not in fresh and "i_kettle.png" in fresh, "named in the thread, no draft any more"
    back = part(browser, f"/inbox/replies/{made.id}/take-back", {})
    assert json.loads(back["HX-Trigger"])["inbox:given-back"]["files"] == [key[1]]
    again = part(browser, f"/inbox/{conversation}/files?ids={key[1]},nonsense&mode=private")
    assert f'data-file="{key[1]}"' in again.content.decode()
    assert browser.post(f"/inbox/{conversation}/files/drop", {"file": key[1]}).status_code == 204
    assert not Upload.objects.for_organization(world.organization).exists()


def test_what_cannot_go_is_refused_in_words_beside_the_composer(browser: Client, conversation: UUID) -> None:
    refused = attach(browser, conversation, "tool.exe")
    assert refused.status_code == 422 and "tool.exe is a program" in refused.content.decode()
    big = attach(browser, conversation, "film.mp4", b"x" * 25_000_001)
    assert big.status_code == 413 and "larger than 25 MB" in big.content.decode()
    parts = [re.search(r'value="([0-9a-f-]{36})"', attach(browser, conversation, f"{n}.bin", bytes([n]) * 6_000_000).content.decode()) for n in (1, 2)]  # fmt: skip
    media = [found[1] for found in parts if found]
    together = part(browser, f"/inbox/{conversation}/write", {"text": "x", "visibility": "private", "media": media}, target=SAYS)
    assert together.status_code == 422 and "larger than this platform takes (10 MB)" in together.content.decode()


def test_a_channel_that_takes_none_says_so_first(
    world: World, browser: Client, conversation: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    rules = dataclasses.replace(connect.rules(world.organization, world.account), media=False)
    monkeypatch.setattr(connect, "rules", lambda *given: rules)
    shown = page(browser, f"/inbox/{conversation}")
    assert "This platform takes no files with an answer." in shown and "data-file-input" not in shown


def test_files_need_the_right_to_answer_there(world: World, other: World, browser: Client, conversation: UUID) -> None:
    mine = re.search(r'value="([0-9a-f-]{36})"', attach(browser, conversation).content.decode())
    assert mine
    analyst, stranger = signed_in(world, join(world, "analyst")), signed_in(other)
    assert attach(analyst, conversation).status_code == 403
    assert attach(stranger, conversation).status_code == 404
    colleague = signed_in(world, join(world, "agent"))
    assert mine[1] not in part(colleague, f"/inbox/{conversation}/files?ids={mine[1]}").content.decode()
    taken = part(colleague, f"/inbox/{conversation}/write", {"text": "x", "visibility": "private", "media": [mine[1]]}, target=SAYS)
    assert taken.status_code == 422 and "There is no such upload of yours" in taken.content.decode()
    colleague.post(f"/inbox/{conversation}/files/drop", {"file": mine[1]})
    assert Upload.objects.for_organization(world.organization).filter(id=mine[1]).exists()


@pytest.mark.parametrize(
    ("state", "detail", "said", "offered"),
    [
        ("waiting", "", "leaves in a moment", "Take back"),
        ("queued", "The account is paused.", "It has not left yet.", "Take back"),
        ("held", "", "held by a stop; not sent", "Take back"),
        ("failed", "Refused <b>(422)</b>.", "It was not sent; they have not got it.", "Write it again"),
        ("unknown", "No answer in time.", "We cannot tell whether it was sent.", "It is not there: not sent"),
        ("cancelled", "", "took back an answer", None),
    ],
)
def test_each_state_says_what_happened_and_what_one_can_do(
    world: World, browser: Client, conversation: UUID, state: str, detail: str, said: str, offered: str | None
) -> None:
    part(browser, f"/inbox/{conversation}/write", {"text": "On its way", "visibility": "private"}, target=SAYS)
    Intent.objects.for_organization(world.organization).update(state=state, detail=detail)
    shown = page(browser, f"/inbox/{conversation}")
    thread = shown[shown.index('class="thread"') : shown.index('class="inbox-here"')]
    assert said in thread and "<b>(422)</b>" not in thread
    for action in ("Take back", "Write it again", "It is not there: not sent"):
        assert (action in thread) == (action == offered), action
    assert not detail or detail.split("<")[0].strip() in thread
    analyst = page(signed_in(world, join(world, "analyst")), f"/inbox/{conversation}")
    thread = analyst[analyst.index('class="thread"') : analyst.index('class="inbox-here"')]
    assert said in thread and not [word for word in ("Take back", "Write it again", "not sent</button>") if word in thread]
