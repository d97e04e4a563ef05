"""Erasing a person: their profile at once, then everything they said, slice by slice, until nothing is left but that it was done.

Asking writes one row. A job waits until all that had arrived is taken in, takes the profile, its identities and proofs away in one
transaction while nothing is being heard, and then goes from holder to holder in short steps. It may be killed at any of them and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from cxm.govern import api as govern
from cxm.kernel.actor import Actor, system
from cxm.kernel.clock import format_instant, now, parse_instant
from cxm.kernel.errors import FieldError, Invalid, NotFound
from cxm.kernel.text import normalise
from cxm.people import joining, keys, resolve
from cxm.people.contracts import Erased, ErasedIdentity, ErasureView, Holder
from cxm.people.events import IdentitiesMoved, ProfileErased
from cxm.people.models import Erasure, Identity, MergeLog, Profile, ProofRow
from cxm.platform import events, graves, paging, realtime, redaction

PERMISSION = "profiles:erase"
_REASON_LIMIT = 1_000
#: Seconds until the job looks again where it has to wait for something.
AGAIN = timedelta(seconds=2)
_holders: list[Holder] = []


def register_holder(holder: Holder) -> None:
    """Wire a slice that holds something of people; asked in the order they were wired."""
    if holder.name not in {known.name for known in _holders}:
        _holders.append(holder)


# --- asking --------------------------------------------------------------------------------------------------------------


def ask(actor: Actor, profile: UUID, reason: str) -> ErasureView:
    """Have a person erased, for good. Asked again for one who is erased or about to be: the same erasure.

    Needs profiles:erase in the whole organization. Raises NotFound, Invalid (no reason), NotAllowed.
    """
    govern.require_everywhere(actor, PERMISSION)
    with transaction.atomic():
        joining.lock(actor.organization)
        row = _profile(actor.organization, profile)
        if row is None:
            return _view(_newest(actor.organization, profile))
        known = Erasure.objects.for_organization(actor.organization).filter(profile=row.id).exclude(state="done").first()
        if known is not None:
            return _view(known)
        why = _reason(reason)
        _refuse_names(row, why)
        audit = govern.intent(actor, "profile.erase", f"profile:{row.id}")
        made = Erasure.objects.add(
            actor.organization, profile=row.id, reason=why, by=actor.name, member=actor.member, asked_at=now(), audit=audit
        )
        _defer(made)
        realtime.tell(actor.organization, f"profile:{row.id}")
    return _view(made)


def erasure_of(actor: Actor, profile: UUID) -> ErasureView:
    """The newest erasure of a profile. Raises NotFound, NotAllowed."""
    govern.require_everywhere(actor, PERMISSION)
    return _view(_newest(actor.organization, profile))


def erasures(actor: Actor, cursor: str | None = None, limit: int | None = None) -> paging.Page[ErasureView]:
    """Every erasure, newest first. Raises NotAllowed."""
    govern.require_everywhere(actor, PERMISSION)
    rows = Erasure.objects.for_organization(actor.organization)
    return paging.page(rows, order=("-asked_at", "-id"), cursor=cursor, limit=limit, as_item=_view)


def under_way(organization: UUID, profile: UUID) -> bool:
    """Whether somebody asked for this person to be erased and it has not begun yet."""
    return Erasure.objects.for_organization(organization).filter(profile=profile).exclude(state="done").exists()


def _profile(organization: UUID, key: UUID) -> Profile | None:
    rows = Profile.objects.for_organization(organization)
    row = rows.filter(id=key).first()
    return rows.filter(id=row.merged_into).first() if row is not None and row.merged_into else row


def _newest(organization: UUID, profile: UUID) -> Erasure:
    rows = Erasure.objects.for_organization(organization)
    row = rows.filter(Q(profile=profile) | Q(profiles__contains=[profile])).order_by("-asked_at", "-id").first()
    if row is None:
        raise NotFound("profile")
    return row


def _reason(text: str) -> str:
    kept = normalise(text).strip()
    fault = "is missing" if not kept else f"at most {_REASON_LIMIT} characters" if len(kept) > _REASON_LIMIT else ""
    if fault:
        raise Invalid(
            "reason_missing" if not kept else "text_too_long",
            f"“reason” {fault}.",
            "Say why, without naming the person: it is kept when they are gone.",
            errors=(FieldError("reason", fault),),
        )
    return kept


def _refuse_names(row: Profile, reason: str) -> None:
    """The reason outlives them: a name in it would, too."""
    identities = list(Identity.objects.for_organization(row.organization_id).filter(profile=row))
    proofs = ProofRow.objects.for_organization(row.organization_id).filter(profile=row).values_list("value", flat=True)
    called = {text.casefold().lstrip("@") for one in identities for text in (one.native_id, one.handle, one.name) if text} | set(proofs)
    called |= {row.name.casefold()}
    if any(len(text) >= 4 and text in reason.casefold() for text in called):
        raise Invalid(
            "reason_names_person",
            "The reason names the person.",
            "It is kept when they are gone. Name a ticket or a letter instead.",
            errors=(FieldError("reason", "names the person"),),
        )


def _view(row: Erasure) -> ErasureView:
    return ErasureView(row.id, row.profile, row.reason, row.by, row.state, row.asked_at, row.done_at, row.counts)


def _defer(row: Erasure) -> None:
    from cxm.people.tasks import erase

    erase.defer(lock=f"people.erase:{row.organization_id}", organization=str(row.organization_id), erasure=str(row.id))


def again_later(row: Erasure, after: timedelta | None = None) -> None:
    """One more job for an erasure that is not done: at most one waits."""
    from cxm.people.tasks import erase

    lock = f"people.erase:{row.organization_id}"
    waits, moment = f"people.erase_again:{row.id}", now() + after if after else None
    erase.defer(lock=lock, queueing_lock=waits, schedule_at=moment, organization=str(row.organization_id), erasure=str(row.id))


# --- carrying it out -----------------------------------------------------------------------------------------------------


def carry_out(organization: UUID, erasure: UUID) -> bool:
    """The job: step by step to the end (True), or until something has to be waited for; then it comes again."""
    while True:
        if not _drained(organization, erasure):
            again_later(Erasure.objects.for_organization(organization).get(id=erasure), AGAIN)
            return False
        with transaction.atomic():
            row = Erasure.objects.for_organization(organization).select_for_update().filter(id=erasure).first()
            if row is None or row.state == "done":
                return True
            if not step(row):
                again_later(row, AGAIN)
                return False


def step(row: Erasure) -> bool:
    """One step, within the caller's transaction, which holds the row; False where it has to wait."""
    if row.state == "waiting":
        return _begin(row)
    work: dict[str, Any] = row.work or {}
    person = _person(row, work)
    at = int(work.get("holder", 0))
    if at >= len(_holders):
        _end(row)
        return True
    done = _holders[at].erase(person, work.get("cursor") or {})
    row.counts = _added(row.counts, done.counts)
    row.work = {**work, "holder": at + (done.cursor is None), "cursor": done.cursor}
    row.save(update_fields=["work", "counts"])
    realtime.tell(row.organization_id, "erasures")
    return not done.wait


def _drained(organization: UUID, erasure: UUID) -> bool:
    """Whether what had arrived when it was asked for is taken in; in transactions of its own, before any of ours."""
    row = Erasure.objects.for_organization(organization).filter(id=erasure, state="waiting").first()
    profile = _profile(organization, row.profile) if row is not None else None
    if row is None or profile is None:
        return True
    channels = frozenset(Identity.objects.for_organization(organization).filter(profile=profile).values_list("channel", flat=True))
    return all(holder.ready(organization, channels, row.asked_at) for holder in _holders)


def _begin(row: Erasure) -> bool:
    resolve.alone(row.organization_id)
    joining.lock(row.organization_id)
    moment = now()
    profiles = _family(row.organization_id, row.profile)
    identities = list(Identity.objects.for_organization(row.organization_id).filter(profile_id__in=profiles).order_by("id"))
    take(row, identities, profiles, moment)
    return True


def _family(organization: UUID, profile: UUID) -> list[UUID]:
    """The profile the person has now, and those that became part of it."""
    row = _profile(organization, profile)
    main = row.id if row is not None else profile
    rows = Profile.objects.for_organization(organization).filter(Q(id=main) | Q(merged_into=main))
    return sorted({main, profile, *rows.values_list("id", flat=True)})


def take(row: Erasure, identities: Iterable[Identity], profiles: list[UUID], at: datetime) -> None:
    """Take profile, identities and proofs away, and remember what the holders need to find the rest. The caller holds the locks."""
    organization = row.organization_id
    found = list(identities)
    ids = [one.id for one in found]
    proofs = dict(ProofRow.objects.for_organization(organization).filter(Q(profile_id__in=profiles) | Q(id__in=[key for one in found for key in one.proof_keys])).values_list("id", "value"))  # fmt: skip
    names = [name for name in Profile.objects.for_organization(organization).filter(id__in=profiles).values_list("name", flat=True) if name]
    row.work = {"identities": [_work(one, proofs, names) for one in found], "until": redaction.last_event(), "holder": 0, "cursor": None}
    row.identities, row.profiles, row.erased_at, row.state = sorted(ids), profiles, at, "running"
    row.counts = {"identities": len(found)}
    row.save()
    _forget_moves(organization, profiles, ids)
    MergeLog.objects.for_organization(organization).filter(Q(into__in=profiles) | Q(source__in=profiles)).delete()
    ProofRow.objects.for_organization(organization).filter(id__in=list(proofs)).delete()
    Identity.objects.for_organization(organization).filter(id__in=ids).delete()
    Profile.objects.for_organization(organization).filter(id__in=profiles).delete()
    redaction.answers(organization, [*profiles, *ids])
    person = _person(row, row.work)
    for holder in _holders:
        holder.begin(person)
    events.publish(ProfileErased(organization=organization, profile=row.profile, erasure=row.id))
    realtime.tell(organization, "people", *(f"profile:{key}" for key in profiles[:50]))
    graves.append(line(row))


def _work(one: Identity, proofs: Mapping[UUID, str], names: list[str]) -> dict[str, Any]:
    known = [one.native_id, one.handle, one.name, one.url, *(proofs[key] for key in one.proof_keys if key in proofs), *names]
    return {
        "id": str(one.id),
        "channel": one.channel,
        "account": str(one.account_id) if one.account_id else None,
        "native_id": one.native_id,
        "known": list(dict.fromkeys(text for text in known if text)),
    }


def _forget_moves(organization: UUID, profiles: list[UUID], identities: list[UUID]) -> None:
    """Events that told how they were joined and parted keep their ids and lose their names."""

    def change(told: dict[str, Any]) -> bool:
        wanted, hit = {str(key) for key in identities}, False
        for entry in told.get("identities", ()):
            if entry.get("id") in wanted:
                entry["native_id"], hit = "", True
        return hit

    for key in ("profile", "source"):
        needles = [f'"{key}":"{each}"' for each in profiles]

        def step(after: int, needles: list[str] = needles) -> tuple[int, int]:
            return redaction.by_words(organization, [IdentitiesMoved.name], needles, change, after=after)

        redaction.every(step)


def _person(row: Erasure, work: Mapping[str, Any]) -> Erased:
    identities = tuple(
        ErasedIdentity(
            UUID(one["id"]), one["channel"], UUID(one["account"]) if one["account"] else None, one["native_id"], tuple(one["known"])
        )
        for one in work.get("identities", ())
    )
    return Erased(row.organization_id, row.id, row.erased_at or now(), identities, tuple(row.profiles), int(work.get("until", 0)))


def _end(row: Erasure) -> None:
    row.state, row.done_at, row.work = "done", now(), None
    row.save(update_fields=["state", "done_at", "work"])
    if row.audit is not None:
        govern.outcome(row.audit, "done", {"counts": row.counts})
    realtime.tell(row.organization_id, "erasures")


def _added(before: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {key: int(before.get(key, 0)) + int(more.get(key, 0)) for key in [*before, *(key for key in more if key not in before)]}


# --- what outlives a restore ---------------------------------------------------------------------------------------------


def line(row: Erasure) -> dict[str, Any]:
    """An erasure as a line of the ledger (``platform.graves``)."""
    return {
        "kind": "person",
        "organization": str(row.organization_id),
        "erasure": str(row.id),
        "profile": str(row.profile),
        "at": format_instant(row.erased_at or now()),
        "identities": [str(key) for key in row.identities],
        "profiles": [str(key) for key in row.profiles],
        "reason": row.reason,
        "by": row.by,
        "member": str(row.member) if row.member else None,
        "asked_at": format_instant(row.asked_at),
    }


def again(told: Mapping[str, Any]) -> UUID | None:
    """Begin an erasure anew from its line, after an older state of the installation was restored: its id; None where it is done there already.

    Whoever was first heard after it is somebody else by our own rules, and stays.
    """
    organization, key, at = UUID(told["organization"]), UUID(told["erasure"]), parse_instant(told["at"])
    with transaction.atomic():
        resolve.alone(organization)
        joining.lock(organization)
        row = Erasure.objects.for_organization(organization).select_for_update().filter(id=key).first()
        if row is not None and row.state != "waiting":
            return None if row.state == "done" else row.id
        if row is None:
            row = Erasure(
                id=key, organization_id=organization, profile=UUID(told["profile"]), reason=told.get("reason") or "", by=told.get("by") or "",
                member=UUID(told["member"]) if told.get("member") else None, asked_at=parse_instant(told["asked_at"]),
            )  # fmt: skip
            row.audit = govern.intent(system(organization, "cxm restore"), "profile.erase_again", f"profile:{row.profile}")
            row.save(force_insert=True)
        heard = Identity.objects.for_organization(organization).filter(
            id__in=[UUID(each) for each in told["identities"]], created_at__lte=at
        )
        found = list(heard.order_by("id"))
        profiles = {UUID(each) for each in told["profiles"]} | {one.profile_id for one in found}  # type: ignore[attr-defined]
        later = Identity.objects.for_organization(organization).filter(profile_id__in=profiles).exclude(id__in=[one.id for one in found])
        profiles -= set(later.values_list("profile_id", flat=True))
        take(row, found, sorted(profiles), at)
        row.identities, row.profiles = sorted(UUID(each) for each in told["identities"]), sorted({*profiles, *map(UUID, told["profiles"])})
        row.save(update_fields=["identities", "profiles"])
    return key


def lines() -> Iterable[dict[str, Any]]:
    """Every erasure that has begun, of every organization, as lines of the ledger."""
    for row in (
        Erasure.everywhere.exclude(erased_at=None).order_by("erased_at", "id").iterator()
    ):  # everywhere: the whole installation's ledger
        yield line(row)


def unfinished() -> list[tuple[UUID, UUID]]:
    """Erasures of every organization that are not done: organization and id, oldest first."""
    rows = Erasure.everywhere.exclude(state="done").order_by("asked_at", "id")  # everywhere: the whole installation is restored
    return list(rows.values_list("organization_id", "id"))


def identity_key(organization: UUID, channel: str, account: UUID | None, native_id: str) -> UUID:
    """The id an identity has, or would have."""
    return keys.identity_id(organization, channel, account, native_id)
