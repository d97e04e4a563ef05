"""Mentions to measure with: made up from a seed, in five scripts, of the length people write."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

_WORDS = {
    "en": "the order coffee never arrived again why does app log me out every morning great service thank you so much cold rude staff store queue price refund today please help".split(),
    "de": "die Bestellung ist wieder nicht angekommen warum meldet mich diese App jeden Morgen ab danke für den tollen Kaffee Filiale Preis heute bitte Hilfe sehr schlecht".split(),
    "es": "el pedido nunca llegó otra vez por qué la aplicación me desconecta cada mañana gracias por el café tienda precio hoy ayuda por favor muy mal servicio".split(),
    "ar": "الطلب لم يصل مرة أخرى لماذا يخرجني التطبيق كل صباح شكرا على القهوة الرائعة الفرع السعر اليوم من فضلكم مساعدة".split(),
    "ja": "注文が まだ 届いて いません どうして アプリ から 毎朝 ログアウト されますか 素敵な コーヒー ありがとう ございます 店舗 価格".split(),
}


def mentions(count: int, seed: int = 7, channel: str = "bench") -> Any:
    """``count`` mentions as import lines, spread over 180 days, about 100 characters each."""
    source = random.Random(seed)
    began = datetime(2026, 5, 1, tzinfo=UTC)
    for number in range(count):
        language = source.choice(list(_WORDS))
        text = " ".join(source.choices(_WORDS[language], k=source.randint(6, 24)))
        author = source.randrange(max(count // 8, 10))
        yield {
            "channel": channel, "native_id": f"{seed}-{number}", "text": text, "kind": source.choice(["post", "comment", "review"]),
            "published_at": (began + timedelta(seconds=source.randrange(180 * 86400))).isoformat(),
            "author": {"native_id": f"a{author}", "handle": f"user{author}", "name": f"User {author}"},
            "engagement": {"likes": source.randrange(50)},
        }  # fmt: skip
