"""The door of listen."""

from cxm.listen.changes import patch, set_state
from cxm.listen.enrich import judged
from cxm.listen.erasure import PersonEraser, accept, delete_again, erase_replies, graves_of_all, redact
from cxm.listen.exports import export
from cxm.listen.glances import topic_glances
from cxm.listen.remote import web_address
from cxm.listen.selectors import Coverage, aggregate, coverage, coverage_by, mention, scan, search, understood
from cxm.listen.shown import fetched
from cxm.listen.shown import icon as media_icon
from cxm.listen.shown import tiles as media_tiles
from cxm.listen.timeline import MentionTimeline
from cxm.listen.topics import save as save_topic
from cxm.listen.topics import topics

__all__ = [
    "Coverage",
    "MentionTimeline",
    "PersonEraser",
    "accept",
    "aggregate",
    "coverage",
    "coverage_by",
    "delete_again",
    "erase_replies",
    "export",
    "fetched",
    "graves_of_all",
    "judged",
    "media_icon",
    "media_tiles",
    "mention",
    "patch",
    "redact",
    "save_topic",
    "scan",
    "search",
    "set_state",
    "topic_glances",
    "topics",
    "understood",
    "web_address",
]
