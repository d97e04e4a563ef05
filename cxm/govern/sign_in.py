"""Sign-in by mail address and password, through django-allauth: no public sign-up, no way out of this site by ``next``."""

from __future__ import annotations

from typing import Any

from allauth.account import views
from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST


class SignInAdapter(DefaultAccountAdapter):
    """What differs from the library's own ways."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _("This mail address and this password do not go together."),
        "too_many_login_attempts": _("Too many attempts. Wait five minutes and try again."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never: people join by invitation."""
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Only paths on this very site."""
        return (
            bool(url)
            and url.startswith("/")
            and url_has_allowed_host_and_scheme(url, allowed_hosts=None)
            and not any(ord(one) < 32 for one in url)
        )

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        """Back to the form, as for a wrong password."""
        return HttpResponseRedirect("/sign-in")

    def add_message(self, *arguments: Any, **named: Any) -> None:
        """No “successfully signed in”: one sees it."""

    def get_logout_redirect_url(self, request: HttpRequest) -> str:
        """Where one lands after signing out."""
        return "/sign-in"


class SignInPage(views.LoginView):
    """``/sign-in``: a form with ``login`` and ``password``."""

    template_name = "govern/sign_in.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """``next`` is carried along only where it is safe."""
        context = super().get_context_data(**kwargs)
        wanted = self.request.POST.get("next") or self.request.GET.get("next") or ""
        context["next"] = wanted if SignInAdapter(self.request).is_safe_url(wanted) else ""
        return context

    def form_invalid(self, form: Any) -> HttpResponse:
        """The same answer, whatever was wrong."""
        return self.render_to_response(self.get_context_data(form=form), status=422)


sign_in = SignInPage.as_view()


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """``POST /sign-out``; a link alone signs nobody out."""
    SignInAdapter(request).logout(request)
    return HttpResponseRedirect("/sign-in")
