"""The door of listen."""

from cxm.listen.changes import patch, set_state
from cxm.listen.enrich import judged
from cxm.listen.erasure import PersonEraser, accept, delete_again, erase_replies, graves_of_all, redact
from cxm.listen.exports import export
from cxm.listen.glances import topic_glances
from cxm.listen.media import shown
from cxm.listen.selectors import Coverage, aggregate, coverage, coverage_by, mention, scan, search, understood
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
    "graves_of_all",
    "judged",
    "mention",
    "patch",
    "redact",
    "save_topic",
    "scan",
    "search",
    "set_state",
    "shown",
    "topic_glances",
    "topics",
    "understood",
]
