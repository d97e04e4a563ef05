"""Reads the labelled sets from a folder: one function a set, each yielding plain rows. Nothing here is needed at run time.

The folder holds the sets under the names below (see MODEL_CARD.md for origin, licence and credit). Only sets whose licence lets
weights be shipped are read.
"""

from __future__ import annotations

import csv
import hashlib
import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cxm.understanding.features import fold

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
SENTIMENTS = ("negative", "neutral", "positive")

UMSAB = {
    "arabic": "ar",
    "english": "en",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "italian": "it",
    "portuguese": "pt",
    "spanish": "es",
}
_AFRISENTI = "amh:am arq:ar ary:ar hau:ha ibo:ig kin:rw orm:om pcm:pcm por:pt swa:sw tir:ti tso:ts twi:tw yor:yo"
_BRIGHTER = (
    "afr:af amh:am arq:ar ary:ar chn:zh deu:de eng:en esp:es hau:ha hin:hi ibo:ig kin:rw mar:mr orm:om pcm:pcm ptbr:pt ptmz:pt"
    " ron:ro rus:ru som:so sun:su swa:sw swe:sv tat:tt tir:ti ukr:uk vmw:vmw yor:yo"
)
XED = {"br": "pt", "no": "nb", "tw": "zh", "cn": "zh"}

#: ISO 639-3 (as the files of the Declaration are named) to BCP 47 where the tag is shorter or a macro-language is what people mean.
_DECLARATION = (
    "afr:af aka:ak als:sq amh:am arb:ar ayr:ay azj:az bam:bm bel:be ben:bn bis:bi bod:bo bos:bs bre:br bul:bg cat:ca ces:cs cha:ch"
    " chv:cv ckb:ckb cmn:zh cos:co cym:cy dan:da deu:de div:dv dzo:dz ell:el eng:en epo:eo est:et eus:eu ewe:ee fao:fo fij:fj fin:fi"
    " fra:fr fri:fy gla:gd gle:ga glg:gl glv:gv gsw1:gsw gug:gn guj:gu hat:ht hau:ha heb:he hin:hi hrv:hr hun:hu hye:hy ibo:ig ido:io"
    " iii:ii ike:iu ina:ia ind:id isl:is ita:it jav:jv jpn:ja kal:kl kan:kn kat:ka kaz:kk khk:mn khm:km kin:rw kir:ky kmr:ku kor:ko"
    " lao:lo lat:la lav:lv lin:ln lit:lt ltz:lb lug:lg mah:mh mal:ml mar:mr mkd:mk mlt:mt mly:ms mri:mi mya:my nav:nv nbl:nr ndo:ng"
    " nep:ne nld:nl nno:nn nob:nb nya:ny oci:oc oss:os pan:pa pbu:ps pes:fa plt:mg pol:pl por:pt roh:rm ron:ro run:rn rus:ru sag:sg"
    " san:sa sin:si slk:sk slv:sl sme:se smo:sm sna:sn som:so sot:st spa:es src:sc srp:sr ssw:ss sun:su swe:sv swh:sw tah:ty tam:ta"
    " tat:tt tel:te tgk:tg tgl:tl tha:th tha2:th tir:ti ton:to tsn:tn tso:ts tuk:tk tur:tr uig:ug ukr:uk urd:ur uzn:uz ven:ve ven2:ve"
    " vie:vi wln:wa wol:wo xho:xh ydd:yi yor:yo zul:zu"
)
#: Left out: the same written words as another class (Chinese and its sisters in Han script, Bosnian's and Montenegrin's doubles).
_SKIPPED = "cnr cjy gan hak hsn nan wuu yue vie_han bos_cyrl san_gran mly_arab mal_chillus jav_java tzc"


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split(":") for pair in text.split())


AFRISENTI, BRIGHTER, DECLARATION = _pairs(_AFRISENTI), _pairs(_BRIGHTER), _pairs(_DECLARATION)
DECLARATION_SKIPPED = frozenset(_SKIPPED.split())


@dataclass(slots=True)
class Row:
    """One labelled text. ``part`` is train or dev; labels that a set does not speak of are absent from ``labels``.

    ``weak`` labels follow from others by common sense: they train with a small weight and are never measured against.
    """

    text: str
    language: str
    part: str
    source: str
    labels: dict[str, float] = field(default_factory=dict)
    weak: dict[str, float] = field(default_factory=dict)


_ESCAPES = re.compile(r"\\u([0-9a-fA-F]{4})")


def clean(text: str) -> str:
    """Undo what collecting did to a text: escapes, entities, doubled quotes."""
    text = _ESCAPES.sub(lambda found: chr(int(found.group(1), 16)), text)
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return html.unescape(html.unescape(text)).replace('""', '"').strip()


def one_sentiment(name: str) -> dict[str, float]:
    return {key: float(key == name) for key in SENTIMENTS}


def umsab(folder: Path) -> Iterator[Row]:
    for name, language in UMSAB.items():
        for part, stem in (("train", "train"), ("dev", "val")):
            texts = (folder / "umsab" / name / f"{stem}_text.txt").read_text("utf-8").split("\n")
            labels = (folder / "umsab" / name / f"{stem}_labels.txt").read_text("utf-8").split()
            for text, label in zip(texts, labels, strict=False):
                yield Row(clean(text), language, part, f"umsab/{name}", one_sentiment(SENTIMENTS[int(label)]))


def afrisenti(folder: Path) -> Iterator[Row]:
    for code, language in AFRISENTI.items():
        for part in ("train", "dev"):
            for line in (folder / "afrisenti" / code / f"{part}.tsv").read_text("utf-8").split("\n")[1:]:
                cells = line.rstrip("\r").split("\t")
                if len(cells) >= 2 and cells[-1] in SENTIMENTS:
                    yield Row(clean(cells[-2]), language, part, f"afrisenti/{code}", one_sentiment(cells[-1]))


def brighter(folder: Path) -> Iterator[Row]:
    for code, language in BRIGHTER.items():
        for part in ("train", "dev"):
            with (folder / "brighter" / part / f"{code}.csv").open(encoding="utf-8", newline="") as lines:
                for cells in csv.DictReader(lines):
                    labels = {name: float(cells[name]) for name in EMOTIONS if cells.get(name) not in (None, "")}
                    yield Row(clean(cells["text"]), language, part, f"brighter/{code}", labels)


def sms_spam(folder: Path) -> Iterator[Row]:
    for line in (folder / "sms-spam" / "SMSSpamCollection").read_text("utf-8").split("\n"):
        label, _, text = line.partition("\t")
        if text:
            part = "dev" if bucket(text, 10) == 0 else "train"
            yield Row(clean(text), "en", part, "sms-spam", {"spam": float(label == "spam")})


def own(path: Path | None = None) -> Iterator[Row]:
    """Our own hand-written rows: language, labels (comma-separated, ``-`` for none), text. They speak of every intent, the English ones of
    spam too (there is too little for it in other languages)."""
    path = path or Path(__file__).with_name("own_rows.tsv")
    for line in path.read_text("utf-8").split("\n"):
        if not line.strip() or line.startswith("#"):
            continue
        language, names, text = line.split("\t")
        given = {} if names == "-" else dict.fromkeys(names.split(","), 1.0)
        labels = {name: given.get(name, 0.0) for name in ("complaint", "request", "praise", "purchase", "question", "spam")}
        if language != "en":
            del labels["spam"]
        yield Row(text, language, "dev" if bucket(text, 4) == 0 else "train", "own", labels)


def xed(folder: Path) -> Iterator[Row]:
    """Subtitles: only their language is used here, so neither labels nor a dev part."""
    for path in sorted((folder / "xed" / "Projections").glob("*.tsv")):
        code = path.name.split("-")[0]
        for line in path.read_text("utf-8", errors="replace").split("\n"):
            text = clean(line.split("\t")[0])
            if len(text) > 15:
                yield Row(text, XED.get(code, code), "train", f"xed/{code}")


def declaration(folder: Path) -> Iterator[Row]:
    """Paragraphs of the Universal Declaration of Human Rights; every sixth paragraph is dev."""
    for path in sorted((folder / "udhr").glob("*.txt")):
        stem = path.stem.split("_")[0]
        if stem.isdigit() or path.stem in DECLARATION_SKIPPED or stem in DECLARATION_SKIPPED:
            continue
        paragraphs = [clean(line) for line in path.read_text("utf-8").split("\n") if line.strip()]
        for number, text in enumerate(paragraphs):
            yield Row(text, DECLARATION.get(stem, stem), "dev" if number % 6 == 5 else "train", f"udhr/{path.stem}")


def bucket(text: str, buckets: int) -> int:
    """A stable bucket by the folded text, so that the same words always fall on the same side of a split."""
    return int.from_bytes(hashlib.blake2b(fold(text).encode(), digest_size=8).digest(), "big") % buckets


def without_leaks(rows: Iterable[Row]) -> list[Row]:
    """Drop training rows whose folded text also stands in any dev part (the sets overlap), and doubles inside a part."""
    rows = list(rows)
    dev = {fold(row.text) for row in rows if row.part == "dev"}
    seen: set[tuple[str, str]] = set()
    kept = []
    for row in rows:
        folded = fold(row.text)
        key = (row.source, folded)
        if not folded or key in seen or (row.part == "train" and folded in dev):
            continue
        seen.add(key)
        kept.append(row)
    return kept
