"""The door of listen."""

from cxm.listen.accept import accept
from cxm.listen.changes import patch, set_state
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
    "accept",
    "aggregate",
    "coverage",
    "coverage_by",
    "export",
    "mention",
    "patch",
    "save_topic",
    "scan",
    "search",
    "set_state",
    "shown",
    "topic_glances",
    "topics",
    "understood",
]
