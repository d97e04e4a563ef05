"""Addresses of the slice's pages."""

from django.urls import path

from cxm.love import page_actions as actions
from cxm.love import page_bulk, page_cases, page_hours, page_pledges, page_queues, pages
from cxm.love import page_verdicts as verdicts
from cxm.love import page_writing as writing

urlpatterns = [
    path("settings/hours", page_hours.hours_page, name="settings_hours"),
    path("settings/queues", page_queues.queues_page, name="settings_queues"),
    path("inbox", pages.inbox_page, name="inbox"),
    path("inbox/list", pages.list_fragment, name="inbox_list"),
    path("inbox/bulk", page_bulk.bulk, name="inbox_bulk"),
    path("inbox/bulk/members", page_bulk.givable, name="inbox_bulk_members"),
    path("inbox/bulk/<uuid:bulk>", page_bulk.progress, name="inbox_bulk_progress"),
    path("inbox/bulk/<uuid:bulk>/cancel", page_bulk.cancel, name="inbox_bulk_cancel"),
    path("inbox/bulk/<uuid:bulk>/undo", page_bulk.undo, name="inbox_bulk_undo"),
    path("inbox/replies/<uuid:reply>/take-back", actions.take_back, name="reply_take_back"),
    path("inbox/replies/<uuid:reply>/settle", actions.settle, name="reply_settle"),
    path("inbox/cases", page_cases.cases_page, name="cases"),
    path("inbox/cases/<uuid:case>", page_cases.case_page, name="case"),
    path("inbox/cases/<uuid:case>/change", page_cases.change, name="case_change"),
    path("inbox/cases/moves/<uuid:change>/undo", page_cases.undo, name="case_undo"),
    path("inbox/<uuid:conversation>/case", page_cases.of_conversation, name="conversation_case"),
    path("inbox/promises", page_pledges.promises_page, name="promises"),
    path("inbox/promises/<uuid:promise>/settle", page_pledges.settle, name="promise_settle"),
    path("inbox/<uuid:conversation>/promise", page_pledges.promise, name="conversation_promise"),
    path("inbox/<uuid:conversation>", pages.conversation_page, name="conversation"),
    path("inbox/<uuid:conversation>/thread", pages.thread_fragment, name="conversation_thread"),
    path("inbox/<uuid:conversation>/write", actions.write, name="conversation_write"),
    path("inbox/<uuid:conversation>/draft", writing.draft, name="conversation_draft"),
    path("inbox/<uuid:conversation>/here", writing.here, name="conversation_here"),
    path("inbox/<uuid:conversation>/names", writing.names, name="conversation_names"),
    path("inbox/<uuid:conversation>/files", writing.files, name="conversation_files"),
    path("inbox/<uuid:conversation>/files/drop", writing.drop_file, name="conversation_files_drop"),
    path("inbox/<uuid:conversation>/correct", verdicts.correct, name="conversation_correct"),
    path("inbox/<uuid:conversation>/assign", actions.assign, name="conversation_assign"),
    path("inbox/<uuid:conversation>/tag", actions.tag, name="conversation_tag"),
    path("inbox/<uuid:conversation>/queue", actions.queue, name="conversation_queue"),
    path("inbox/<uuid:conversation>/close", actions.close, name="conversation_close"),
    path("inbox/<uuid:conversation>/snooze", actions.snooze, name="conversation_snooze"),
    path("inbox/<uuid:conversation>/reopen", actions.reopen, name="conversation_reopen"),
]
