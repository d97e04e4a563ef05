"""Django's settings, computed from the one typed configuration. Nothing here is read from anywhere else."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from cxm.platform.config import settings as options_of
from cxm.platform.postgres import connection_parameters
from cxm.platform.secrets import derive

options = options_of()
ROOT = Path(__file__).resolve().parent.parent
SLICES = ("govern", "people", "connect", "outbound", "listen", "love", "demo")

SECRET_KEY = derive("django").hex()
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español"), ("ar", "العربية"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [ROOT / "locale"]

_public = urlsplit(options.public_url)
ALLOWED_HOSTS = [host.strip() for host in options.allowed_hosts.split(",") if host.strip()] or [
    "127.0.0.1",
    "localhost",
    "[::1]",
    *([_public.hostname] if _public.hostname else []),
]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"] if _public.netloc else []

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.usersessions",
    "procrastinate.contrib.django",
    "django_cotton.apps.SimpleAppConfig",
    "cxm.platform",
    "cxm.design",
    *(f"cxm.{name}" for name in SLICES if (ROOT / name / "apps.py").exists()),
    "cxm.run",
]
AUTH_USER_MODEL = "govern.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
LOGIN_URL = "/sign-in"
LOGIN_REDIRECT_URL = "/home"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_PREVENT_ENUMERATION = "strict"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_RATE_LIMITS = {"login": "60/m/ip", "login_failed": "10/5m/ip,5/5m/key"}
ACCOUNT_ADAPTER = "cxm.govern.sign_in.SignInAdapter"
ALLAUTH_TRUSTED_PROXY_COUNT = options.trusted_proxies
USERSESSIONS_TRACK_ACTIVITY = False

MIDDLEWARE = [
    "cxm.run.middleware.security_headers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "cxm.run.static.Compressed",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "cxm.run.middleware.interface_language",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "cxm.run.middleware.errors_on_screen",
    "cxm.run.middleware.read_once",
]
ROOT_URLCONF = "cxm.run.urls"
ASGI_APPLICATION = "cxm.run.asgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django_cotton.cotton_loader.Loader",
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.template.context_processors.i18n",
                "django.contrib.messages.context_processors.messages",
                "cxm.run.context.shell",
            ],
            "builtins": ["django_cotton.templatetags.cotton", "django.templatetags.i18n", "cxm.design.templatetags.cxm"],
        },
    }
]

_parameters = dict(connection_parameters())
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _parameters.pop("dbname", "cxm"),
        "USER": _parameters.pop("user", ""),
        "PASSWORD": _parameters.pop("password", ""),
        "HOST": _parameters.pop("host", ""),
        "PORT": _parameters.pop("port", ""),
        "CONN_MAX_AGE": 0,
        "OPTIONS": {**_parameters, "pool": {"min_size": 2, "max_size": 40, "timeout": 5, "max_idle": 60}},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

SESSION_COOKIE_NAME = "cxm_session"
SESSION_COOKIE_AGE = options.session_hours * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
_secure = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _secure
CSRF_COOKIE_HTTPONLY = False
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31536000 if _secure else 0
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 52_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

COTTON_ISOLATE_BY_DEFAULT = True

STATIC_URL = "/static/"
STATIC_ROOT = None
STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.AppDirectoriesFinder"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "cxm.run.static.Versioned"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_ROOT = None

LOGGING_CONFIG = None
EMAIL_TIMEOUT = 10
TEST_RUNNER = "django.test.runner.DiscoverRunner"
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "tasks"
