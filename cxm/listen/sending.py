"""Files that are sent while they are made: in constant memory, however slowly they are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

#: Bytes made before they are sent.
_PIECE = 1 << 16


class Sent(StreamingHttpResponse):
    """An answer from a plain iterator, which the framework would read to its end before it sends anything."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = iter(self.streaming_content)
        while piece := await sync_to_async(_piece)(chunks):
            yield piece


def _piece(chunks: Iterator[bytes]) -> bytes:
    """Some of it, nothing at its end."""
    made = bytearray()
    for chunk in chunks:
        made += chunk
        if len(made) >= _PIECE:
            break
    return bytes(made)
