"""What a file is by its own bytes: pictures, films and sounds that a browser may show in place. SVG is none of them, it can hold scripts."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

#: Pixels of a picture shown in place; more is a bomb for whoever looks at it.
PIXEL_LIMIT = 50_000_000
#: Bytes from the beginning of a file in which a picture must have said how large it is.
_HEAD = 262_144
_SIZES_OF_JPEG = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be shown in place: ``kind`` is image, video or audio; pixels of pictures alone."""

    kind: str
    content_type: str
    width: int = 0
    height: int = 0


def recognised(file: BinaryIO) -> Shown | None:
    """What a file is by its own bytes, where it is something that can be shown; the file stands at its beginning again."""
    kind = picture(file)
    if kind:
        _, size = _measured(file.read(_HEAD))
        file.seek(0)
        return Shown("image", kind, *(size or (0, 0)))
    head = file.read(512)
    file.seek(0)
    return _played(head)


def _played(head: bytes) -> Shown | None:
    """Films and sounds that browsers play, by their containers' own marks."""
    if head[4:8] == b"ftyp" and head[8:12] in (b"M4A ", b"M4B "):
        return Shown("audio", "audio/mp4")
    if head[4:8] == b"ftyp" and head[8:12] in (b"isom", b"iso2", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"3gp4", b"3gp5"):
        return Shown("video", "video/mp4")
    if head[:4] == b"\x1a\x45\xdf\xa3" and b"webm" in head[:64]:
        return Shown("video", "video/webm")
    if head[:4] == b"OggS" and (b"OpusHead" in head[:64] or b"\x01vorbis" in head[:64]):
        return Shown("audio", "audio/ogg")
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return Shown("audio", "audio/wav")
    if head[:4] == b"fLaC":
        return Shown("audio", "audio/flac")
    if head[:3] == b"ID3" or (len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return Shown("audio", "audio/mpeg")
    return None


def picture(file: BinaryIO) -> str | None:
    """The type of a picture by its own bytes, where it is one that can be shown; the file stands at its beginning again."""
    head = file.read(_HEAD)
    file.seek(0)
    kind, size = _measured(head)
    return kind if kind and size and 0 < size[0] * size[1] <= PIXEL_LIMIT else None


def _measured(head: bytes) -> tuple[str | None, tuple[int, int] | None]:
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR" and len(head) >= 24:
        return "image/png", struct.unpack(">II", head[16:24])
    if head[:6] in (b"GIF87a", b"GIF89a") and len(head) >= 10:
        return "image/gif", struct.unpack("<HH", head[6:10])
    if head[:3] == b"\xff\xd8\xff":
        return "image/jpeg", _jpeg(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp", _webp(head)
    return None, None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    """Width and height from the frame header (ITU T.81, B.2.2)."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker in _SIZES_OF_JPEG:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        at += 1 if marker == 0xFF else 2 + struct.unpack(">H", head[at + 2 : at + 4])[0]
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    """Width and height of the three forms (Google's WebP container specification)."""
    if len(head) < 30:
        return None
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[12:16] == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None
