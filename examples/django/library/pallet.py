# SPDX-License-Identifier: Apache-2.0
"""Reads the environment that Pallet gives an app."""
import socket
from urllib.parse import unquote, urlsplit


def database(url):
    """DB_DEFAULT_URL as an entry of Django's DATABASES."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql", "postgis"):
        raise ValueError(f"no database engine for '{parts.scheme}://'")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or 5432),
    }


def hosts(text, default_port):
    """'a:1|b' as [('a', 1), ('b', default_port)]."""
    found = []
    for item in text.split("|"):
        name, _, port = item.strip().partition(":")
        if name:
            found.append((name, int(port or default_port)))
    return found


def syslog_socket(protocol):
    """SYSLOG_PROTO as a kind of socket."""
    return {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}[protocol.lower()]
