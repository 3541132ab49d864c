"""A guestbook: GET / shows the messages, POST / leaves one. JSON at /messages."""

import json
import os
import signal
import threading
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import messages as store

TITLE = "Guestbook"
BODY_MAX = 10_000


def page(entries):
    items = "".join(f"<li>{escape(entry['text'])} <small>{entry['written'][:16]}</small></li>" for entry in entries)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{TITLE}</title>"
        "<meta name=viewport content='width=device-width'>"
        "<style>body{font:1.1rem/1.5 system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem}"
        "input{font:inherit;width:70%;padding:.4rem}button{font:inherit;padding:.4rem 1rem}"
        "small{color:gray}li{margin:.4rem 0}</style>"
        f"<h1>{TITLE}</h1><form method=post action=/><input name=text maxlength={store.LENGTH_MAX} "
        "placeholder='Leave a message' required autofocus> <button>Sign</button></form>"
        f"<ul>{items or '<li>Nobody has been here yet.</li>'}</ul>"
    ).encode()


class Guestbook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    messages = None

    def answer(self, status, body, kind="text/html; charset=utf-8", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self, status, value):
        self.answer(status, json.dumps(value).encode(), "application/json")

    def do_GET(self):
        if self.path == "/healthz":
            self.messages.is_reachable()
            self.answer(200, b"ok\n", "text/plain")
        elif self.path == "/messages":
            self.answer_json(200, self.messages.newest())
        elif self.path == "/":
            self.answer(200, page(self.messages.newest()))
        else:
            self.answer(404, b"not here\n", "text/plain")

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_MAX:
            self.close_connection = True
            return self.answer(413, b"too long\n", "text/plain")
        body = self.rfile.read(length).decode(errors="replace")
        is_json = self.headers.get("Content-Type", "").startswith("application/json")
        try:
            text = json.loads(body)["text"] if is_json else parse_qs(body).get("text", [""])[0]
            number = self.messages.add(text)
        except (ValueError, KeyError, TypeError) as mistake:
            return self.answer(400, f"{mistake}\n".encode(), "text/plain")
        if is_json:
            self.answer_json(201, {"id": number})
        else:
            self.answer(303, b"", Location="/")

    def finish(self):
        try:
            super().finish()
        finally:
            self.messages.close()

    def log_message(self, format, *values):
        print(f"{self.command} {self.path} {values[1] if len(values) > 1 else ''}".rstrip(), flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128


def main():
    Guestbook.messages = store.from_environment()
    Guestbook.messages.prepare()
    server = Server(("127.0.0.1" if "PORT" in os.environ else "0.0.0.0", int(os.environ.get("PORT", "8080"))), Guestbook)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"guestbook listens on {server.server_address[1]}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()


if __name__ == "__main__":
    main()
