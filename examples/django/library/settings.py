# SPDX-License-Identifier: Apache-2.0
"""Everything that differs between places comes from the environment, by Pallet's names."""
import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from library import pallet

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT = os.environ.get("ENVIRONMENT", "dev_local")
DEBUG = False

SECRET_KEY = os.environ.get("SECRET_KEY", "")
if not SECRET_KEY:
    if ENVIRONMENT not in ("dev_local", "dev", "test"):
        raise ImproperlyConfigured(f"SECRET_KEY must be set in '{ENVIRONMENT}'")
    SECRET_KEY = "good enough where nothing is secret"

SITE_PROTOCOL = os.environ.get("SITE_PROTOCOL", "http")
SITE_DOMAIN = os.environ.get("SITE_DOMAIN", "localhost:8000")
ALLOWED_HOSTS = [SITE_DOMAIN.rsplit(":", 1)[0], "localhost", "127.0.0.1", "testserver"]

INSTALLED_APPS = [
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "desk",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "library.urls"
WSGI_APPLICATION = "library.wsgi.application"
TEMPLATES = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
]

DATABASES = {"default": pallet.database(os.environ["DB_DEFAULT_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS = pallet.hosts(os.environ["REDIS_HOSTS"], 6379)[0]
REDIS_DB_INDEX = int(os.environ.get("REDIS_DB_INDEX", "0"))

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": [
            f"{host}:{port}"
            for host, port in pallet.hosts(os.environ["MEMCACHE_HOSTS"], 11211)
        ],
        "KEY_PREFIX": os.environ.get("MEMCACHE_PREFIX", ""),
        "TIMEOUT": 3600,
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"

EMAIL_HOST = os.environ.get("EMAIL_HOST", "localhost")
EMAIL_PORT = int(os.environ.get("EMAIL_PORT", "25"))
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = f"desk@{SITE_DOMAIN.rsplit(':', 1)[0]}"

AMQP_URL = os.environ.get("AMQP_URLS", "amqp://localhost").split("|")[0]

STATIC_URL = "/static/"
STATIC_ROOT = os.environ.get("STATIC_ROOT", "/static")
STORAGE_ROOT = Path(os.environ.get("STORAGE_ROOT", "/storage"))

USE_TZ = True
TIME_ZONE = "UTC"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        # An answer of 404 is an answer, not an event.
        "django.request": {"level": "ERROR"},
        "desk.journal": {"level": "INFO"},
    },
}
if "SYSLOG_SERVER" in os.environ:
    LOGGING["formatters"] = {"journal": {"format": "desk: %(message)s"}}
    LOGGING["handlers"]["syslog"] = {
        "class": "logging.handlers.SysLogHandler",
        "address": (os.environ["SYSLOG_SERVER"], int(os.environ.get("SYSLOG_PORT", "514"))),
        "socktype": pallet.syslog_socket(os.environ.get("SYSLOG_PROTO", "udp")),
        "formatter": "journal",
    }
    LOGGING["loggers"]["desk.journal"].update(handlers=["syslog"], propagate=False)
