"""The messages of a guestbook, in a PostgreSQL database."""

import os
import ssl
import threading
from urllib.parse import parse_qs, unquote, urlparse

import pg8000.native

LENGTH_MAX = 500


def settings(url):
    """What pg8000 wants to know, from the URL that deployd gives."""
    parts = urlparse(url)
    options = parse_qs(parts.query)
    wants_tls = options.get("sslmode", ["disable"])[0] in ("require", "verify-ca", "verify-full")
    return {
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "host": parts.hostname,
        "port": parts.port or 5432,
        "database": parts.path.lstrip("/"),
        "ssl_context": ssl.create_default_context() if wants_tls else None,
    }


def clean(text):
    """A message as it is kept: one paragraph of at most LENGTH_MAX characters."""
    text = " ".join(text.split())
    if not text:
        raise ValueError("a message has at least one letter")
    return text[:LENGTH_MAX]


class Messages:
    """One connection for each thread; a broken one is opened anew at the next call."""

    def __init__(self, url):
        self._settings = settings(url)
        self._local = threading.local()

    def _run(self, statement, **values):
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = pg8000.native.Connection(**self._settings)
        try:
            return connection.run(statement, **values)
        except (pg8000.exceptions.InterfaceError, OSError):
            self._local.connection = None
            raise

    def close(self):
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()

    def prepare(self):
        # Two replicas may start at the same moment: the lock keeps them from making the table twice.
        self._run("BEGIN")
        self._run("SELECT pg_advisory_xact_lock(7070)")
        self._run(
            "CREATE TABLE IF NOT EXISTS messages ("
            "id bigserial PRIMARY KEY, written timestamptz NOT NULL DEFAULT now(), text text NOT NULL)"
        )
        self._run("COMMIT")

    def add(self, text):
        rows = self._run("INSERT INTO messages (text) VALUES (:text) RETURNING id", text=clean(text))
        return rows[0][0]

    def newest(self, count=50):
        rows = self._run("SELECT id, written, text FROM messages ORDER BY id DESC LIMIT :count", count=count)
        return [{"id": row[0], "written": row[1].isoformat(), "text": row[2]} for row in rows]

    def is_reachable(self):
        return self._run("SELECT 1") == [[1]]


def from_environment():
    return Messages(os.environ["DATABASE_URL"])
