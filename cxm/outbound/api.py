"""The door of outbound."""

from cxm.outbound.gateway import rehearse
from cxm.outbound.held import HeldReplies
from cxm.outbound.selectors import open_count, replies, reply
from cxm.outbound.services import propose, settle, take_back

__all__ = ["HeldReplies", "open_count", "propose", "rehearse", "replies", "reply", "settle", "take_back"]
