"""Signed and encrypted mail, shown as such: what can be read is read, and nothing is claimed of a signature.

Whether a signature holds is not judged here: that needs keys and trust which a mailbox does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: What stands for words that cannot be read here.
UNREADABLE = "(This mail is encrypted. It can be read in a mail program that has the key.)"
_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"
_SIGNATURE_END = "-----END PGP SIGNATURE-----"
_ENCRYPTED = "-----BEGIN PGP MESSAGE-----"
_ENCRYPTED_END = "-----END PGP MESSAGE-----"
_HASH = re.compile(r"(?:Hash|Charset|Comment|Version|NotDashEscaped):", re.IGNORECASE)
#: Object identifiers in DER, with their heads.
_DATA, _SIGNED_DATA = bytes.fromhex("06092a864886f70d010701"), bytes.fromhex("06092a864886f70d010702")
_ENVELOPES = (bytes.fromhex("06092a864886f70d010703"), bytes.fromhex("060b2a864886f70d0109100117"))
_CHUNKS = 100_000


def unarmoured(text: str) -> tuple[str, tuple[str, ...]]:
    """``text`` without the armour that inline PGP puts around it, and what it was: ``signed``, ``encrypted``, both or neither."""
    if "-----BEGIN PGP " not in text:
        return text, ()
    lines: list[str] = []
    marks: dict[str, None] = {}
    inside = ""
    for line in text.split("\n"):
        bare = line.strip()
        if bare == _SIGNED and not inside:
            inside, marks["signed"] = "head", None
        elif inside == "head":
            # Armour headers end at the first empty line; what is no header is text of a program that forgot it.
            if not bare or not _HASH.match(bare):
                inside = "signed"
                lines += [line] if bare else []
        elif bare == _SIGNATURE and inside == "signed":
            inside = "signature"
        elif bare == _ENCRYPTED and not inside:
            inside, marks["encrypted"] = "encrypted", None
        elif (inside, bare) in (("signature", _SIGNATURE_END), ("encrypted", _ENCRYPTED_END)):
            inside = ""
        elif inside not in ("signature", "encrypted"):
            lines.append(line.removeprefix("- ") if inside == "signed" else line)
    return "\n".join(lines).strip("\n"), tuple(marks)


def opaque(content: bytes, smime_type: str) -> tuple[str, bytes | None]:
    """What an ``application/pkcs7-mime`` part is (``signed``, ``encrypted`` or empty), and the mail within it where it is only signed."""
    named = smime_type.strip().lower()
    head = content[:60]
    if named in ("enveloped-data", "authenveloped-data") or any(oid in head for oid in _ENVELOPES):
        return "encrypted", None
    if named == "certs-only":
        return "", None
    if named == "signed-data" or _SIGNED_DATA in head:
        return "signed", _signed_content(content)
    return "", None


def _signed_content(content: bytes) -> bytes | None:
    """What a CMS SignedData holds (RFC 5652), in DER or in BER's pieces; None where it holds nothing or cannot be read."""
    at = content.find(_DATA)
    if at < 0:
        return None
    position = at + len(_DATA)
    # [0] EXPLICIT, then the octets, whole or in pieces.
    if content[position : position + 1] != b"\xa0":
        return None
    _, start = _length(content, position + 1)
    found = b"".join(_octets(content, start))
    return found or None


def _octets(content: bytes, position: int) -> Iterator[bytes]:
    for _ in range(_CHUNKS):
        tag = content[position : position + 1]
        length, start = _length(content, position + 1)
        if tag == b"\x24":
            position = start  # its pieces follow
        elif tag == b"\x04" and length is not None:
            yield content[start : start + length]
            position = start + length
        else:
            return


def _length(content: bytes, position: int) -> tuple[int | None, int]:
    """The length that stands at ``position`` (None: told by an end mark) and where what it measures begins."""
    first = content[position] if position < len(content) else 0
    if first < 0x80:
        return first, position + 1
    size = first & 0x7F
    if not size or size > 4:
        return None, position + 1
    return int.from_bytes(content[position + 1 : position + 1 + size], "big"), position + 1 + size
