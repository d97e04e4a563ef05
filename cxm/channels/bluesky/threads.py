"""Answers to our own posts that the network never told us of.

An AppView that comes upon an answer before the post it answers tells nobody, ever: it indexes authors side by side (seen with the reference
servers wherever somebody answers at once). But it counts the answer and shows it in the thread. So the number of answers to each of our
newest posts is watched, and where it changes the thread is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cxm.channels.bluesky import ids
from cxm.channels.bluesky.looking import Found, Memory, key_of, version
from cxm.channels.bluesky.server import NotThere, Refused, Server
from cxm.channels.contracts import AuthExpired, ConnectorError
from cxm.channels.kit.fields import entries, string, table, whole
from cxm.kernel.clock import format_instant

#: Threads read in one look; how deep (as deep as the network tells of answers); posts taken from one.
_THREADS, _DEPTH, _POSTS = 10, 6, 1000
#: Numbers remembered: as many posts as are watched at once, and some that a page less shows for a moment.
_WATCHED = 200


class Threads:
    """What one look saw of our own posts, and the threads it reads because of that."""

    def __init__(self, memory: Memory, me: str, floor: datetime) -> None:
        self._memory, self._me, self._floor = memory, me, floor
        self._counts: dict[str, int] = {}

    def saw(self, post: dict[str, Any]) -> None:
        """A post as the network shows it; only our own are watched."""
        place = ids.post_parts(string(post.get("uri"), 1000))
        count = whole(post.get("replyCount"))
        if place is not None and place[0] == self._me and count is not None and count >= 0:
            self._counts[key_of(post)] = count

    async def read(self, server: Server, now: datetime) -> list[Found]:
        """Answers that are new to us, from a few of the threads in which something was added; the others' turn comes with the next look.
        A number is remembered only once its thread is read, so that nothing is lost where that fails."""
        former = self._memory.answers
        waiting = [key for key, count in self._counts.items() if count != former.get(key, 0)]
        found: list[Found] = []
        for key in waiting[:_THREADS]:
            try:
                found += await self._thread(server, key, now)
            except AuthExpired:
                raise
            except (NotThere, Refused):
                pass  # gone meanwhile
            except ConnectorError:
                continue  # it hides nothing else, and its turn comes again
            former[key] = self._counts[key]
        newest = sorted(former, reverse=True)[:_WATCHED]  # keys tell when a post was made
        self._memory.answers = {key: former[key] for key in newest if former[key]}
        return found

    async def _thread(self, server: Server, key: str, now: datetime) -> list[Found]:
        asked = {"uri": ids.uri(*key.rsplit("/", 1)), "depth": _DEPTH, "parentHeight": 0}
        answer = await server.get("app.bsky.feed.getPostThread", asked)
        found: list[Found] = []
        for post in _posts(table(answer.get("thread"))):
            moment = ids.moment(string(post.get("indexedAt"), 40))
            place = ids.post_parts(string(post.get("uri"), 1000))
            if place is None or place[0] == self._me or moment is None or moment < self._floor or key_of(post) in self._memory.known:
                continue
            self._memory.known[key_of(post)] = (format_instant(min(moment, now)), version(post))
            found.append(Found(moment, string(post.get("uri"), 1000), post))
        return found


def _posts(thread: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The posts under a thread's own, whatever the depth."""
    waiting, told = entries(thread.get("replies"))[:_POSTS], 0
    while waiting and told < _POSTS:
        one = table(waiting.pop(0))
        told += 1
        yield table(one.get("post"))
        waiting += entries(one.get("replies"))[:_POSTS]
