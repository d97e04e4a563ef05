"""The door of love: the inbox and what is done in it."""

from __future__ import annotations

from cxm.love.clocks import zone_of
from cxm.love.selectors.cases import case, case_moves, cases, offered_cases
from cxm.love.selectors.detail import PersonTimeline, answered_meanwhile, conversation, conversation_of, conversation_row
from cxm.love.selectors.inbox import conversations, counts, neighbours, next_one, notifications, queue_counts, units_of, waiting_count
from cxm.love.selectors.last_word import last_word
from cxm.love.selectors.pledges import pledge_counts, pledges
from cxm.love.services.answers import reply, take_back
from cxm.love.services.cases import create as create_case
from cxm.love.services.cases import link as link_case
from cxm.love.services.cases import merge as merge_cases
from cxm.love.services.cases import resolve as resolve_case
from cxm.love.services.cases import split as split_case
from cxm.love.services.cases import undo as undo_case_move
from cxm.love.services.cases import unlink as unlink_case
from cxm.love.services.drafts import save as save_draft
from cxm.love.services.erasing import PersonEraser
from cxm.love.services.erasing import delete_again as delete_mentions_again
from cxm.love.services.handling import assign, close, look, note, reopen, snooze, tag
from cxm.love.services.hours import all_hours, hours
from cxm.love.services.hours import remove as remove_hours
from cxm.love.services.hours import save as save_hours
from cxm.love.services.many import cancel as cancel_bulk
from cxm.love.services.many import going_on as bulk_going_on
from cxm.love.services.many import run as bulk
from cxm.love.services.many import status as bulk_status
from cxm.love.services.many import undo as undo_bulk
from cxm.love.services.members import callable_names
from cxm.love.services.pledges import promise
from cxm.love.services.pledges import settle as settle_promise
from cxm.love.services.presence import gone, here
from cxm.love.services.presence import others as onlookers
from cxm.love.services.queues import delete as delete_queue
from cxm.love.services.queues import move as move_to_queue
from cxm.love.services.queues import queue, queues
from cxm.love.services.queues import save as save_queue

__all__ = [
    "PersonEraser",
    "PersonTimeline",
    "all_hours",
    "answered_meanwhile",
    "assign",
    "bulk",
    "bulk_going_on",
    "bulk_status",
    "callable_names",
    "cancel_bulk",
    "case",
    "case_moves",
    "cases",
    "close",
    "conversation",
    "conversation_of",
    "conversation_row",
    "conversations",
    "counts",
    "create_case",
    "delete_mentions_again",
    "delete_queue",
    "gone",
    "here",
    "hours",
    "last_word",
    "link_case",
    "look",
    "merge_cases",
    "move_to_queue",
    "neighbours",
    "next_one",
    "note",
    "notifications",
    "offered_cases",
    "onlookers",
    "pledge_counts",
    "pledges",
    "promise",
    "queue",
    "queue_counts",
    "queues",
    "remove_hours",
    "reopen",
    "reply",
    "resolve_case",
    "save_draft",
    "save_hours",
    "save_queue",
    "settle_promise",
    "snooze",
    "split_case",
    "tag",
    "take_back",
    "undo_bulk",
    "undo_case_move",
    "units_of",
    "unlink_case",
    "waiting_count",
    "zone_of",
]
