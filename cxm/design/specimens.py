"""What the gallery shows: every kind of text and figure that breaks a careless page. Nobody in it exists."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from django.http import HttpRequest

from cxm.design import charts
from cxm.kernel.clock import now
from cxm.kernel.errors import FieldError, Invalid

HOSTILE = "\"><img src=x onerror=alert(1)>{{ 7|add:7 }}<c-button label='x' />\u202egnirts"
LONG = (
    "Dritter Morgen in Folge, an dem mich die App abmeldet und mein Guthaben „0,00 €“ zeigt. Ich stehe an der Kasse wie eine Bettlerin. Pixel 8, WLAN egal. "
    * 6
)
UNBROKEN = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3
ARABIC = "شكراً للموظف في فرع الرياض، أعاد لي محفظتي بعد إغلاق المقهى. أنتم رائعون."
JAPANESE = "先週頼んだ定期便がまだ届いていません。注文番号は M-20418 です。確認していただけますか。"
THAI = "อยากทราบว่าสาขาสยามเปิดวันหยุดไหมคะ จะพาคุณแม่ไปค่ะ"
GERMAN = "Dritter Morgen in Folge, an dem mich die App abmeldet und mein Guthaben „0,00 €“ zeigt. Ich stehe an der Kasse wie eine Bettlerin. Pixel 8, WLAN egal."
SPANISH = "Ojalá volviera el bollo de canela en octubre. Mi abuela pregunta cada semana 🥹"

MODES = [
    {
        "value": "public",
        "tone": "public",
        "label": "Reply publicly",
        "send": "Reply publicly",
        "icon": "globe",
        "says": "everyone can read it",
        "limit": 300,
    },
    {
        "value": "private",
        "tone": "private",
        "label": "Message privately",
        "send": "Send privately",
        "icon": "lock",
        "says": "only Lena reads it",
        "limit": 1000,
    },
    {"value": "note", "tone": "note", "label": "Note", "send": "Save note", "icon": "notebook-pen", "says": "only we read it"},
]


def rows() -> list[dict[str, Any]]:
    """Inbox rows in several scripts, one of them hostile, one without a break."""
    moment = now()
    sample = [
        ("Lena K.", "@lenaliest", "bluesky", "", GERMAN, "de", 4, True),
        ("Haruki Nakano", "", "email", "", JAPANESE, "ja", 11, True),
        ("Sofía Robles", "@sofi.r", "bluesky", "", SPANISH, "es", 26, True),
        ("نورة العتيبي", "", "whatsapp", "", ARABIC, "ar", 38, False),
        (
            "Tom B.",
            "★★☆☆☆ · Store 0412",
            "reviews",
            "review",
            "Coffee great, toilets closed for the third week, no sign when they'll be back.",
            "en",
            61,
            False,
        ),
        ("ปวีณา ทองดี", "", "email", "", THAI, "th", 130, False),
        (HOSTILE, "@" + HOSTILE, "webhook", "", HOSTILE, "en", 2000, False),
        (UNBROKEN, UNBROKEN, "rss", "", UNBROKEN, "de", 9000, False),
    ]
    keys = ("who", "handle", "channel", "kind", "text", "lang", "at", "unread")
    found = [dict(zip(keys, row, strict=True)) for row in sample]
    for index, row in enumerate(found):
        row |= {"id": f"row-{index}", "at": moment - timedelta(minutes=row["at"]), "url": f"?sample=inbox&open={index}"}
    return found


def months() -> tuple[list[str], list[list[int]], list[int]]:
    """Labels, three stacked series and the period before, of 48 months."""
    labels = [f"{2023 + index // 12}-{index % 12 + 1:02d}" for index in range(48)]
    swell = [10 + 42 * max(0.0, math.sin((index - 3) / 12 * 2 * math.pi)) ** 3 for index in range(48)]
    series = [[round(value * part * (1 + index / 60)) for index, value in enumerate(swell)] for part in (0.9, 0.6, 0.35)]
    return labels, series, [round(value * 1.1) for value in swell]


def figures() -> dict[str, Any]:
    """Charts and facets."""
    labels, (positive, neutral, negative), before = months()
    urls = [f"?from={label}" for label in labels]
    stacked = [charts.Series("positive", positive, 1), charts.Series("neutral", neutral, 2), charts.Series("negative", negative, 3)]
    return {
        "chart": charts.bars(labels, stacked, before=before, urls=urls),
        "lines": charts.lines(labels, stacked[:2], urls=urls),
        "one_bar": charts.bars(["Today"], [charts.Series("mentions", [1])]),
        "no_bars": charts.bars([], []),
        "facet": [
            {"label": "Instagram", "count": 812, "url": "?c=instagram"},
            {"label": "Bluesky", "count": 540, "url": "?c=bluesky", "active": True},
            {"label": UNBROKEN, "count": 433, "url": "?c=long"},
            {"label": ARABIC, "count": 281, "url": "?c=ar"},
        ],
        "feelings": [
            {"label": "sadness", "count": 838, "url": "?e=sadness", "tone": "info"},
            {"label": "joy", "count": 611, "url": "?e=joy", "tone": "good"},
            {"label": "anger", "count": 117, "url": "?e=anger", "tone": "bad"},
            {"label": "not assessed", "count": 391, "url": "?e=none", "tone": "neutral"},
        ],
        "one_facet": [{"label": "English", "count": 40, "url": "?l=en"}],
        "flat": [3, 3, 3, 3],
        "one_value": [7],
        "spark": [3, 4, 3, 5, 9, 14, 30, 41],
    }


def shell(request: HttpRequest) -> dict[str, Any]:
    """A frame as a signed-in member sees it, so that the gallery and its samples need no other slice."""
    sample = request.GET.get("sample", "")
    entries = [
        ("Home", "house", "/home", "", False, "main"),
        ("Inbox", "inbox", "/inbox", 14, True, "main"),
        ("Explorer", "telescope", "/explorer", "", False, "main"),
        ("People", "users", "/people", "", False, "main"),
        ("Coverage", "list-checks", "/coverage", "98.6%", False, "main"),
        ("Channels", "radio-tower", "/channels", "", False, "main"),
        ("App sign-in", "hash", "/topics/1", "+41", True, "topics"),
        ("Cinnamon bun", "hash", "/topics/2", 212, False, "topics"),
        ("Settings", "settings", "/settings", "", False, "foot"),
    ]
    keys = ("label", "icon", "url", "count", "hot", "section")
    navigation = [dict(zip(keys, entry, strict=True)) | {"active": entry[0].lower() == sample} for entry in entries]
    scope = {"name": "Leipzig", "since": now() - timedelta(hours=1), "by": "Ines", "reason": "fire in the roastery", "held": 23,
             "held_words": "6 posts, 14 offers, 3 surveys", "held_url": "#held", "lift_url": "#lift"}  # fmt: skip
    stopped = "stop" in request.GET
    return {
        "navigation": navigation,
        "organization": {
            "name": "Marlow Coffee",
            "unit": "All regions",
            "switch": [{"name": "Marlow Coffee", "url": "#1", "active": True}, {"name": "Leipzig", "url": "#2"}],
        },
        "member": {"name": "Jonas Weber", "email": "jonas@marlow.example"},
        "stop": {"on": stopped, "may": True, "scopes": [scope] if stopped else [], "url": "#stop"},
        "letters_on": True,
        "live_url": "",
    }


def everything() -> dict[str, Any]:
    """The gallery's whole context but for the frame."""
    moment = now()
    return {
        "hostile": HOSTILE,
        "long": LONG,
        "unbroken": UNBROKEN,
        "arabic": ARABIC,
        "german": GERMAN,
        "spans": [(45, 53), (120, 129)],
        "modes": MODES,
        "rows": rows(),
        "row_chips": [
            {"label": "anger", "kind": "guess", "title": "judged by a model"},
            {"label": HOSTILE, "kind": "outline", "icon": "tag"},
        ],
        "none": [],
        "at": moment - timedelta(minutes=4),
        "yesterday": moment - timedelta(days=2),
        "soon": moment + timedelta(minutes=23, seconds=30),
        "later": moment + timedelta(hours=5),
        "late": moment - timedelta(minutes=6, seconds=10),
        "error": Invalid(
            "account_invalid",
            "The account was not connected.",
            "Mend the field below and save again.",
            (FieldError("settings.reply_url", "It must begin with https://."),),
        ),
        "options": [("en", "English"), ("ar", "العربية"), ("de", "Deutsch")],
        "segments": [{"value": "day", "label": "Day"}, {"value": "week", "label": "Week"}, {"value": "month", "label": "Month"}],
        "segment_links": [{"url": "?s=all", "label": "All", "active": True}, {"url": "?s=mine", "label": "Mine"}],
        "columns": [{"label": "Account"}, {"label": "Channel"}, {"label": "Heard today", "numeric": True}],
        "cells": [
            [{"label": "@marlow", "url": "#marlow"}, "Bluesky", {"label": 12480, "numeric": True}],
            [UNBROKEN, "webhook", {"label": 0, "numeric": True}],
            [HOSTILE, ARABIC, {"label": 7, "numeric": True}],
        ],
        "tabs": [
            {"url": "#all", "label": "All", "active": True, "count": 1240},
            {"url": "#q", "label": "Quarantine", "count": 3},
            {"url": "#log", "label": "Log"},
        ],
        "steps": [{"url": "#s", "label": "Settings"}, {"url": "#m", "label": "Members"}, {"label": "Ines Maurer"}],
        "tiles": tiles(),
        "names": [
            {"name": name, "called": name.split()[0]}
            for name in (
                "Jonas Weber",
                "Ines Maurer",
                "Nadia Al-Amri",
                "Pia Sommer",
                "Yuki Tanabe",
                "Omar Haddad",
                "Carmen Ortega",
                "Emil Rauch",
            )
        ],
        **crowded(),
        **figures(),
    }


def tiles() -> dict[str, list[dict[str, Any]]]:
    """Files as :func:`cxm.listen.shown.tiles` tells them; the pictures are drawn here, so that nothing is fetched."""

    def picture(colour: str, alt: str, **more: Any) -> dict[str, Any]:
        drawn = f"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 4 3'%3E%3Cpath fill='{colour}' d='M0 3l2-3 2 3z'/%3E%3C/svg%3E#"
        return {"as": "image", "icon": "image", "url": drawn, "alt": alt, "label": alt, "width": 200, "height": 150} | more

    away = {"why": "It lies at example.com; opening it leaves OpenCXM.", "elsewhere": "https://example.com/picture.jpg"}
    lost = {"as": "lost", "icon": "image", "label": "crumbs.jpg", "fault": "It is not there any more.", **away}
    file = {"as": "file", "icon": "file", "url": "#file", "label": "receipt.pdf", "size": "212 KB"}
    known = {"as": "name", "icon": "video", "label": "queue.mov", "size": "91 MB", "why": "It was too large to be kept."}
    link = {"as": "link", "icon": "file", "label": "menu in autumn", **away}
    return {
        "one": [picture("%23b5654a", "A cinnamon bun")],
        "many": [picture("%23b5654a", "A cinnamon bun"), picture("%23357a6a", "The queue"), file, known, link],
        "waiting": [picture("none", "A picture that is on its way", remote=True, measured=False, fault="It could not be loaded.", **away)],
        "lost": [lost, known],
        "hostile": [
            file | {"label": HOSTILE},
            file | {"label": UNBROKEN},
            lost | {"label": ARABIC, "fault": UNBROKEN},
            picture("none", HOSTILE),
        ],
    }


def crowded() -> dict[str, Any]:
    """One of what is usually many, many of what is usually few, and names that do not fit."""
    return {
        "long_options": [("1", UNBROKEN), ("2", HOSTILE), ("3", ARABIC)],
        "many_segments": [{"value": str(index), "label": f"{index} days"} for index in range(1, 10)],
        "one_segment": [{"value": "all", "label": "All time"}],
        "one_cell": [[{"label": "@marlow", "url": "#marlow"}, "Bluesky", {"label": 1, "numeric": True}]],
        "many_tabs": [{"url": f"#tab-{index}", "label": f"Settings {index}", "active": index == 9} for index in range(1, 13)],
        "one_tab": [{"url": "#only", "label": HOSTILE, "active": True}],
        "long_steps": [{"url": "#s", "label": "Settings"}, {"url": "#u", "label": UNBROKEN}, {"label": HOSTILE}],
    }
