"""What can be tested without a database."""

import unittest

import app
import messages


class Guestbook(unittest.TestCase):
    def test_messages_are_one_paragraph(self):
        self.assertEqual(messages.clean("  hello \n there "), "hello there")
        self.assertEqual(len(messages.clean("x" * 1000)), messages.LENGTH_MAX)
        with self.assertRaises(ValueError):
            messages.clean(" \n ")

    def test_the_page_is_safe(self):
        entry = {"id": 1, "written": "2026-01-01T12:00:00", "text": "<script>alert(1)</script>"}
        self.assertIn(b"&lt;script&gt;", app.page([entry]))

    def test_the_url_is_understood(self):
        settings = messages.settings("postgres://us%40er:p%2Fw@127.0.0.1:5433/guestbook?sslmode=disable")
        self.assertEqual(settings["user"], "us@er")
        self.assertEqual(settings["password"], "p/w")
        self.assertEqual(settings["port"], 5433)
        self.assertEqual(settings["database"], "guestbook")
        self.assertIsNone(settings["ssl_context"])


if __name__ == "__main__":
    unittest.main()
