"""The REST API: every slice's routes under /api/v1, with what they all have in common.

Each request is authenticated by bearer token, counted, cleared of NUL characters and, where it is a POST with an Idempotency-Key,
run once. Sessions count for nothing here. A slice offers ``rest.py`` with ``ROUTES = [(prefix, router), ...]``.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import structlog
from django.apps import apps
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, UnreadablePostError
from django.urls import URLPattern, re_path
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.operation import Operation
from ninja.parser import Parser

from cxm.govern.doors import bearer
from cxm.kernel.actor import Actor
from cxm.kernel.errors import BadInput, CxmError, FieldError, Invalid, NotFound, NotNow, NotSignedIn, TooLarge, TooMany
from cxm.platform import idempotency, rate
from cxm.platform.config import settings
from cxm.platform.problems import problem
from cxm.run import openapi
from cxm.run.middleware import understood
from cxm.run.refused_fields import said

_log = structlog.get_logger(__name__)
Run = Callable[..., HttpResponse]


class MethodNotAllowed(CxmError):
    """The route is there, but not for this method."""

    status = 405
    title = "Not this way"


class StrictJson(Parser):
    """JSON as RFC 8259 has it: no NaN, no lone surrogates, at most 1,024 levels; and no NUL, which no column can hold."""

    def parse_body(self, request: HttpRequest) -> Any:
        """The body; raises BadInput (``not_json``), or Invalid where a text contains NUL."""
        try:
            body = orjson.loads(request.body)
        except orjson.JSONDecodeError as error:
            raise HttpError(400, str(error)) from error
        if (where := _nul_at(body, "")) is not None:
            raise _Nul(where)
        return body


class _Nul(HttpError):
    def __init__(self, path: str) -> None:
        super().__init__(400, "NUL")
        self.path = path


def _nul_at(value: Any, path: str) -> str | None:
    """Where in ``value`` a NUL character hides (``settings.name``), without recursion: depth is the sender's choice."""
    waiting: list[tuple[Any, str]] = [(value, path)]
    while waiting:
        one, at = waiting.pop()
        if isinstance(one, str):
            if "\x00" in one:
                return at or "body"
        elif isinstance(one, list):
            waiting.extend((item, f"{at}.{index}".lstrip(".")) for index, item in enumerate(one))
        elif isinstance(one, dict):
            for name, item in one.items():
                if "\x00" in name:
                    return at or "body"
                waiting.append((item, f"{at}.{name}".lstrip(".")))
    return None


class Api(NinjaAPI):
    """All routes, each wrapped in :func:`guarded`; unknown ones answer 404 as a problem document."""

    def _get_urls(self) -> list[Any]:
        open_routes = {"openapi-json", "api-root"}
        for bound in self._get_bound_routers():
            for view in bound.path_operations.values():
                for operation in view.operations:
                    _guard(operation)
        patterns: list[Any] = super()._get_urls()
        for pattern in patterns:
            if isinstance(pattern, URLPattern) and pattern.name not in open_routes:
                pattern.callback = _same_form(pattern.callback)
        unknown.csrf_exempt = True  # type: ignore[attr-defined]
        return [one for one in patterns if one.name != "api-root"] + [re_path(r"^$", unknown, name="api-root"), re_path(r"", unknown)]

    def get_openapi_schema(self, **named: Any) -> Any:
        """The document, completed by :mod:`cxm.run.openapi`."""
        return openapi.completed(super().get_openapi_schema(**named))

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """``govern_list_units``: stable, short, from the slice and the function."""
        return f"{operation.view_func.__module__.split('.')[1]}_{operation.view_func.__name__}"

    def on_exception(self, request: HttpRequest, exc: Any) -> HttpResponse:
        """Every error as a problem document."""
        error = translated(exc)
        if error.status >= 500 and not isinstance(error, NotNow):
            _log.error("api.failed", path=request.path, exc_info=exc)
        return problem(error, request)


def translated(exc: Exception) -> CxmError:
    """Whatever an operation raised, as one of our errors."""
    if isinstance(exc, ValidationError):
        return _invalid(exc)
    if isinstance(exc, _Nul) or (isinstance(exc, HttpError) and isinstance(exc.__cause__, _Nul)):
        where = exc.path if isinstance(exc, _Nul) else exc.__cause__.path  # type: ignore[union-attr]
        return Invalid(
            "validation_failed", "A text contains a NUL character.", "Leave it out.", errors=(FieldError(where, "no NUL characters"),)
        )
    if isinstance(exc, AuthenticationError):
        return _unknown_token()
    if isinstance(exc, HttpError) and exc.status_code == 400:
        return BadInput("not_json", "The body is not JSON.", "Send UTF-8 JSON with Content-Type: application/json.")
    if isinstance(exc, RequestDataTooBig):
        return TooLarge("body_too_large", "The body is larger than this call takes.", "Send it in parts.")
    if isinstance(exc, UnreadablePostError):
        return BadInput("body_cut", "The body ended before it was whole.", "Send it again.")
    if isinstance(exc, Http404):
        return NotFound("route")
    return understood(exc)


def _invalid(exc: ValidationError) -> CxmError:
    places = [tuple(error["loc"]) for error in exc.errors]
    if places and all(place[0] == "path" for place in places):
        return NotFound("thing")  # an id that is none answers as one that is missing
    found: list[FieldError] = []
    for error, place in zip(exc.errors, places, strict=True):
        # ninja puts the source first, and for bodies the parameter's name second
        path = ".".join(str(part) for part in (place[2:] if place[0] == "body" and len(place) > 2 else place[1:]))
        found.append(FieldError(path or str(place[0]), said(error)))
    return Invalid("validation_failed", "Something in the request is not valid.", "“errors” names each field.", errors=tuple(found))


def _unknown_token() -> NotSignedIn:
    return NotSignedIn(
        "token_invalid",
        "There is no valid token with this request.",
        "Send “Authorization: Bearer cxm_…”; make one in Settings or by “cxm token create”.",
    )


def unknown(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
    """A route that is not there."""
    return problem(NotFound("route"), request)


def _guard(operation: Operation) -> None:
    """Wrap ``operation.run``: token, rate, NUL, idempotency, in this order."""
    if operation.is_async:
        raise RuntimeError(f"{operation.view_func.__qualname__} is async; database code is synchronous here.")
    if getattr(operation, "guarded", False):
        return
    inner: Run = operation.run  # type: ignore[assignment]
    wrap = not getattr(operation.view_func, "own_transaction", False)

    @functools.wraps(inner)
    def run(request: HttpRequest, **named: Any) -> HttpResponse:
        headers: dict[str, str] = {}
        try:
            actor = bearer(request)
            if not isinstance(actor, Actor):
                raise _unknown_token()
            headers = _count(actor)
            _refuse_nul(request, named)
            response = _once(request, actor, lambda: inner(request, **named), wrap=wrap)
        except rate_exceeded as error:
            headers = error.headers
            response = problem(error, request)
        except Exception as error:
            response = operation.api.on_exception(request, error)
            if isinstance(error, idempotency.StillRunning):
                response["Retry-After"] = str(error.retry_after)
        for name, value in headers.items():
            response[name] = value
        return response

    operation.run = run  # type: ignore[method-assign,assignment]
    operation.guarded = True  # type: ignore[attr-defined]


class rate_exceeded(TooMany):  # noqa: N801 - an internal signal
    """Too many requests; carries the headers that say so."""

    def __init__(self, allowance: rate.Allowance) -> None:
        super().__init__(
            "rate_exceeded", f"More than {allowance.limit} requests in a minute.", "Wait as long as Retry-After says.", allowance.reset
        )
        self.headers = allowance.headers()


def _count(actor: Actor) -> dict[str, str]:
    allowance = rate.window.take(str(actor.token), settings().api_rate)
    if not allowance.allowed:
        raise rate_exceeded(allowance)
    return allowance.headers()


def _once(request: HttpRequest, actor: Actor, run: Callable[[], HttpResponse], *, wrap: bool) -> HttpResponse:
    if request.method != "POST":
        return run()
    return idempotency.once(request, actor.organization, f"token:{actor.token}", run, wrap=wrap)


def _refuse_nul(request: HttpRequest, path: dict[str, Any]) -> None:
    sent = [(name, value) for name, values in request.GET.lists() for value in values]
    for name, value in [*sent, *path.items()]:
        if isinstance(value, str) and "\x00" in (name + value):
            raise Invalid(
                "validation_failed",
                "A parameter contains a NUL character.",
                "Leave it out.",
                errors=(FieldError(name.replace("\x00", ""), "no NUL characters"),),
            )


def _same_form(view: Run) -> Run:
    """405 as a problem document too."""

    @functools.wraps(view)
    def answer(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        response = view(request, *arguments, **named)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        told = problem(
            MethodNotAllowed("method_not_allowed", f"{request.method} is not possible here.", f"Use {response['Allow']}."), request
        )
        told["Allow"] = response["Allow"]
        return told

    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return answer


def routes() -> Iterator[tuple[str, Any]]:
    """``(prefix, router)`` of every installed slice."""
    for config in apps.get_app_configs():
        if config.name.startswith("cxm.") and importlib.util.find_spec(f"{config.name}.rest"):
            yield from importlib.import_module(f"{config.name}.rest").ROUTES


def build() -> Api:
    """The API with every slice's routes."""
    made = Api(
        title="OpenCXM",
        version="1",
        description=openapi.DESCRIPTION,
        docs_url=None,
        urls_namespace="api",
        parser=StrictJson(),
        servers=[{"url": settings().public_url.rstrip("/") or "/"}],
    )
    for prefix, router in routes():
        made.add_router(prefix, router)
    return made


api = build()
