"""The door of outbound."""

from cxm.outbound.erasing import forget, under_way
from cxm.outbound.gateway import rehearse
from cxm.outbound.held import HeldReplies
from cxm.outbound.selectors import open_count, replies, reply
from cxm.outbound.services import propose, settle, take_back
from cxm.outbound.suppressed import lift as lift_suppression
from cxm.outbound.suppressed import listed as suppressions
from cxm.outbound.suppressed import register_last_word
from cxm.outbound.uploads import LIMIT as UPLOAD_LIMIT
from cxm.outbound.uploads import content as upload_content
from cxm.outbound.uploads import drop as drop_upload
from cxm.outbound.uploads import keep as upload
from cxm.outbound.uploads import of as uploads_of

__all__ = [
    "UPLOAD_LIMIT", "HeldReplies", "drop_upload", "forget", "lift_suppression", "open_count", "propose", "register_last_word", "rehearse", "replies", "reply", "settle", "suppressions", "take_back", "under_way", "upload", "upload_content", "uploads_of",
]  # fmt: skip
