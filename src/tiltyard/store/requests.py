"""Keeps what was asked, once: the part that repeats from request to request, and the tails of long prompts.

A prompt of 32,000 tokens asked a hundred times differs in its first words only, so the first `HEAD`
characters of a long message stay with the exchange and the rest is stored by its hash.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib

import msgspec
from msgspec.structs import replace

from tiltyard.records import Message, Request
from tiltyard.store.rows import Row, clean, to_json

LONG = 2048  # characters; a message longer than this is cut
HEAD = 512  # characters that stay with the exchange
PROMPT_CHARS = 65_536  # of an item's prompt that can be searched
_CACHE = 4096  # hashes remembered per connection


class Texts:
    """The `texts` table of one connection. Forgets what it knows when a transaction fails."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._ids: dict[bytes, int] = {}
        self._items: set[str] = set()
        self._texts: dict[int, str] = {}

    def forget(self) -> None:
        self._ids.clear()
        self._items.clear()
        self._texts.clear()

    def put(self, text: str) -> int:
        """The id of a text, storing it if it is new."""
        data = text.encode()
        digest = hashlib.blake2b(data, digest_size=16).digest()
        known = self._ids.get(digest)
        if known is not None:
            return known
        row = self.db.execute("SELECT id FROM texts WHERE hash = ?", (digest,)).fetchone()
        if row is None:
            cursor = self.db.execute(
                "INSERT INTO texts (hash, text) VALUES (?, ?)", (digest, zlib.compress(data, 6))
            )
            row = (cursor.lastrowid,)
        if len(self._ids) >= _CACHE:
            self._ids.clear()
        self._ids[digest] = row[0]
        return int(row[0])

    def get(self, text_id: int) -> str:
        """The text of an id; raises KeyError when it is not there."""
        known = self._texts.get(text_id)
        if known is None:
            row = self.db.execute("SELECT text FROM texts WHERE id = ?", (text_id,)).fetchone()
            if row is None:
                raise KeyError(text_id)
            known = zlib.decompress(row[0]).decode()
            if len(self._texts) >= 256:
                self._texts.clear()
            self._texts[text_id] = known
        return known

    def request_row(self, request: Request) -> Row:
        """(request_id, options_id, messages, tails) of an exchange's request."""
        messages, tails = request.messages, None
        if any(len(message.content) > LONG for message in messages):
            kept, cut = [], {}
            for number, message in enumerate(messages):
                if len(message.content) > LONG:
                    cut[str(number)] = self.put(clean(message.content[HEAD:]))
                    message = replace(message, content=message.content[:HEAD])  # noqa: PLW2901
                kept.append(message)
            messages, tails = tuple(kept), to_json(cut)
        return request.request_id, self._options_id(request), to_json(messages), tails

    def _options_id(self, request: Request) -> int:
        options = to_json(replace(request, messages=(), request_id=None))
        return self.put(options)

    def request_of(
        self, request_id: str | None, options_id: int, messages: str, tails: str | None
    ) -> Request:
        """The request again, whole."""
        asked = msgspec.json.decode(messages, type=tuple[Message, ...])
        if tails is not None:
            ends = msgspec.json.decode(tails, type=dict[int, int])
            asked = tuple(
                replace(message, content=message.content + self.get(ends[number]))
                if number in ends
                else message
                for number, message in enumerate(asked)
            )
        options = msgspec.json.decode(self.get(options_id), type=Request)
        return replace(options, messages=asked, request_id=request_id)

    def put_prompt(self, item_hash: str, item_id: str, request: Request) -> None:
        """What an item asks, for the search; the first wording stays."""
        if item_hash in self._items:
            return
        text = "\n\n".join(message.content for message in request.messages)[:PROMPT_CHARS]
        self.db.execute(
            "INSERT INTO prompts (item_hash, item_id, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (item_hash, clean(item_id), clean(text)),
        )
        if len(self._items) >= _CACHE:
            self._items.clear()
        self._items.add(item_hash)
