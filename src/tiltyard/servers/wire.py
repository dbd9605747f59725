"""One origin over HTTP: a measured streaming request, and plain management calls.

Arrivals are stamped and stored raw; nothing is interpreted here. Plain http goes over our own connections
(`pool.py`), https and proxies over aiohttp (`tls.py`) behind the same methods; `wires.py` chooses.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import msgspec
from msgspec.structs import replace

from tiltyard import settings
from tiltyard.errors import NoServer, NotAModelServer, UsageError
from tiltyard.records import Capture, Ending, Events, Exchange, Json, Record, Timeline, Timeouts
from tiltyard.servers import Address
from tiltyard.servers.answer import Answer, BoundedAnswer, decoded
from tiltyard.servers.clock import now_ns
from tiltyard.servers.connection import Connection, ExchangeError
from tiltyard.servers.decoding import json_in
from tiltyard.servers.notes import SENT_AGAIN
from tiltyard.servers.pool import Pool

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ACCEPT = "text/event-stream, application/x-ndjson, application/json, */*;q=0.5"
LONG_KEY = 12  # characters
FEW = 32  # streams
LARGEST_REPLY = 32 * 1024 * 1024  # bytes; no page of a model server comes near, a radio stream passes it
_REFUSED = (401, 403)
_SAFE_IN_PATH = "/?&=%:+,;@!$'()*~-._[]"


class Reply(Record, frozen=True, kw_only=True):
    """The answer to a management call."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def json(self) -> Json | None:
        """The body as a JSON value; None when it is not JSON."""
        return json_in(self.body)


class Origin(NamedTuple):
    """The parts of a base address, without any credential."""

    scheme: str
    host: str
    port: int
    base_path: str
    basic: str | None  # user information of the URL, ready for an Authorization header

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.base_path}"


def parse_origin(url: str) -> Origin:
    """Take a base address apart; raises UsageError when it is none."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        raise UsageError("the server address is not a valid URL", "give it as http://host:port") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise UsageError("the server address is not an http or https URL", "give it as http://host:port")
    basic = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        basic = "Basic " + base64.b64encode(pair.encode()).decode()
    host = parts.hostname
    if not host.isascii():
        host = host.encode("idna").decode()
    return Origin(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], parts.path.rstrip("/"), basic)


class When(NamedTuple):
    """When a request was due (None: now), how long what may take, and how large its answer may be."""

    scheduled_ns: int | None
    timeouts: Timeouts
    largest: int | None = None  # bytes


class Wire:
    """Requests to one origin. It belongs to the event loop that first uses it."""

    def __init__(self, address: Address) -> None:
        self.origin = parse_origin(address.url)
        self._headers = {"User-Agent": "tiltyard"}
        key = (address.api_key or "").strip()
        self._secrets: tuple[str, ...] = (key,) if key else ()
        if self.origin.basic:  # written into the address: nearer than a key that lies about
            self._headers["Authorization"] = self.origin.basic
            password = unquote(urlsplit(address.url).password or "")
            self._secrets += (self.origin.basic.removeprefix("Basic "), password)  # the longer one first
        elif key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._named = address.named
        self._patience_s = address.loading_s
        self._heads: dict[tuple[str, str], str] = {}  # what all requests for a path begin with
        self._heard = False  # has anybody answered a call?
        self._pool: Pool | None = None

    async def stream(
        self,
        path: str,
        body: bytes,
        *,
        scheduled_ns: int | None = None,
        timeouts: Timeouts | None = None,
        request_id: str | None = None,
    ) -> Capture:
        """POST a JSON body and capture the answer, sealed, as it arrives.

        What the server or the network does never raises: it is `failure` and `error` of the capture. Only a
        cancellation does, after the connection is closed.
        """
        headers = {"Accept": _ACCEPT, "Content-Type": "application/json"}
        if request_id:
            headers["X-Request-Id"] = request_id
        when = When(scheduled_ns, timeouts or Timeouts())
        return await self._let_in(partial(self._request, "POST", path, headers, body), when)

    def unspoken(self) -> bool:
        """Is there a request of whose answer no word has come? Of many streams nobody asks: some always wait,
        and to look through all of them takes longer than reading an answer.
        """
        return self._pool is not None and len(self._pool.active) <= FEW and self._pool.unspoken()

    async def open_ahead(self, count: int) -> None:
        """Open connections now that requests would otherwise wait for; failures show up in the requests."""
        await self._open_pool().open_ahead(count, Timeouts().connect_s)

    async def call(
        self, method: str, path: str, payload: Json | None = None, *, timeout_s: float = 10.0
    ) -> Reply:
        """A management call; any status is a reply. Raises NoServer when there is no whole answer in time.

        Until anybody answers here, no call waits longer than the address says.
        """
        if self._patience_s and not self._heard:
            timeout_s = min(timeout_s, self._patience_s)
        headers = {"Accept": "application/json, */*;q=0.5"}
        body = b""
        if payload is not None:
            body = msgspec.json.encode(payload)
            headers["Content-Type"] = "application/json"
        limits = Timeouts(
            connect_s=min(timeout_s, 5.0), first_byte_s=timeout_s, gap_s=timeout_s, total_s=timeout_s
        )
        request = partial(self._request, method.upper(), path, headers, body)
        sealed = await self._let_in(request, When(None, limits, LARGEST_REPLY))
        if sealed.size > LARGEST_REPLY:
            what = f"{self.origin.url} answers, but not as a model server"
            raise NotAModelServer(f"{what} (its answer to a short question does not end)", "check the port")
        capture = sealed.opened()
        if capture.failure is not None or capture.status is None:
            remedy = "check that the server is running and the address is right"
            if "certificate" in (capture.error or ""):
                remedy = "name its certificate, or that of who signed it: SSL_CERT_FILE=/path/to/cert.pem"
            raise NoServer(f"{self.origin.url}: {capture.error or 'no answer'}", remedy)
        self._heard = True
        return Reply(status=capture.status, headers=capture.headers, body=capture.body)

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    # -------------------------------------------------------------- inside

    async def _let_in(self, request: Callable[[When], Awaitable[Capture]], when: When) -> Capture:
        """A request, sent once more where it was refused without a key and the keyring has one.

        Any request may be the first that is refused: many a server lists its models to everybody. What it
        waited for the keyring is no wait for the server, so it is due anew.
        """
        keyless = "Authorization" not in self._headers
        capture = await request(when)
        if keyless and capture.status in _REFUSED and await self._found_key():
            return await request(when._replace(scheduled_ns=None))
        return capture

    async def _found_key(self) -> bool:
        """Ask the keyring for a key, and show it from now on."""
        # In a thread: a keyring may wait for its user, and other requests must not wait with it.
        found = await asyncio.to_thread(settings.key_once_refused, self.origin.url, named=self._named)
        key = (found or "").strip()
        if key and "Authorization" not in self._headers:
            self._secrets += (key,)
            self._headers["Authorization"] = f"Bearer {key}"
            self._heads.clear()
        return bool(key)

    async def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        when: When,
    ) -> Capture:
        scheduled_ns, timeouts, largest = when
        started_ns = now_ns()
        request = self._encode(method, path, headers, body)
        pool = self._open_pool()
        begun = Timeline(
            scheduled_ns=started_ns if scheduled_ns is None else scheduled_ns,
            started_ns=started_ns,
            origin_unix_ns=pool.clock.distance_ns,
        )
        fresh = False
        while True:
            answer = Answer() if largest is None else BoundedAnswer(largest)
            try:
                connection = await pool.take(timeouts.connect_s, fresh=fresh)
            except ExchangeError as failure:
                ended = replace(begun, closed_ns=now_ns())
                return Capture(timeline=ended, failure=failure.ending, error=failure.error)
            reused = connection.reused
            outcome = await connection.exchange(request, answer, timeouts)
            if outcome is None or not outcome.stale:
                break
            fresh = True  # an old connection that the server had closed meanwhile: ask once more on a new one
        return Capture(
            timeline=begun,
            status=answer.status,
            headers=answer.headers,
            failure=outcome.ending if outcome else None,
            error=outcome.error if outcome else None,
            held=len(answer.raw),
            notes=(SENT_AGAIN,) if fresh else (),
            unseal=partial(self._capture, begun, connection, reused, answer, outcome),
        )

    def _open_pool(self) -> Pool:
        loop = asyncio.get_running_loop()
        if self._pool is None or self._pool.loop is not loop:
            if self._pool is not None:
                self._pool.close()
            self._pool = Pool(self.origin.host, self.origin.port)
        return self._pool

    def _target(self, path: str) -> str:
        return quote(self.origin.base_path + path, safe=_SAFE_IN_PATH) or "/"

    def _encode(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        head = self._heads.get((method, path))
        if head is None:
            lines = [
                f"{method} {self._target(path)} HTTP/1.1",
                f"Host: {self.origin.authority}",
                "Accept-Encoding: identity",
                *_lines(self._headers),
            ]
            head = self._heads[method, path] = "\r\n".join(lines)
        lines = [head, *_lines(headers)]
        if body or method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def _capture(
        self,
        begun: Timeline,
        connection: Connection,
        reused: bool,
        answer: Answer,
        outcome: ExchangeError | None,
    ) -> Capture:
        clock = connection.pool.clock
        times, kernel = clock.resolve(answer.stamps, answer.sent_ns)
        body, ends = answer.body()
        failure: Ending | None = outcome.ending if outcome else None
        error = outcome.error if outcome else None
        if answer.cut_short and failure is None:
            failure, error = "error_midstream", "the answer's chunks do not add up"
        encoding = answer.headers.get("content-encoding", "")
        if encoding:
            plain = decoded(body, ends, encoding)
            if plain is None:
                failure = failure or "error_midstream"
                error = error or f"the answer is encoded as {_one_line(encoding)[:40]}, which cannot be read"
            else:
                body, ends = plain
        closed_ns = answer.eof_ns
        if closed_ns is None and outcome is None and times:
            closed_ns = times[-1]
        arrivals, arrived = _with_bytes(times, ends)
        timeline = Timeline(
            scheduled_ns=begun.scheduled_ns,
            started_ns=begun.started_ns,
            connected_ns=None if reused else connection.connected_ns,
            reused=reused,
            sent_ns=answer.sent_ns,
            headers_ns=times[answer.head_read] if answer.head_read is not None else None,
            arrivals_ns=arrivals,
            arrivals_end=arrived,
            closed_ns=closed_ns,
            clock="kernel" if kernel and times else "user",
            origin_unix_ns=begun.origin_unix_ns,
        )
        return Capture(
            timeline=timeline,
            status=answer.status,
            headers=answer.headers,
            body=self._without_key(body, answer.status),
            failure=failure,
            error=error,
        )

    def _without_key(self, body: bytes, status: int | None) -> bytes:
        """Some servers quote the key, in errors or as an echo; it must not reach a store or a log.

        In answers only what is long enough to be a key: `lm-studio` and `none` are words too.
        """
        shortest = 1 if status is not None and status >= 300 else LONG_KEY
        for key in self._secrets:
            if len(key) >= shortest:
                for form in settings.any_form(key)[1]:
                    body = form.sub(lambda found: b"*" * len(found[0]), body)
        return body

    def without_pieces(self, exchange: Exchange) -> Exchange:
        """The same for a key that came in pieces, each in an event of its own, and that reading joined.

        Bytes and tokens that were kept are dropped then: the pieces are in them still.
        """
        keys = [key for key in self._secrets if len(key) >= LONG_KEY]
        if not keys:
            return exchange

        def starred(text: str) -> str:
            for key in keys:
                for form in settings.any_form(key)[0]:
                    text = form.sub(lambda found: "*" * len(found[0]), text)
            return text

        calls = tuple(replace(call, arguments=starred(call.arguments)) for call in exchange.tool_calls)
        text, reasoning = starred(exchange.text), starred(exchange.reasoning)
        if (text, reasoning, calls) == (exchange.text, exchange.reasoning, exchange.tool_calls):
            return exchange
        clean = replace(exchange, text=text, reasoning=reasoning, tool_calls=calls, raw=None, logprobs=())
        return replace(clean, events=_starred_events(exchange.events, starred))


def _starred_events(events: Events, starred: Callable[[str], str]) -> Events:
    """Events whose texts, joined kind by kind, are starred; `starred` keeps lengths."""
    texts = list(events.texts)
    for kind in set(events.kinds):
        places = [place for place, each in enumerate(events.kinds) if each == kind]
        rest = starred("".join([texts[place] for place in places]))
        for place in places:
            length = len(texts[place])
            texts[place], rest = rest[:length], rest[length:]
    return replace(events, texts=tuple(texts))


def _with_bytes(times: list[int], ends: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Only the reads that held body bytes."""
    first = ends.count(0)
    if len(set(ends)) == len(ends) - first + bool(first):  # each read after the head held some: nearly always
        return tuple(times[first:]), tuple(ends[first:])
    arrivals: list[int] = []
    arrived: list[int] = []
    before = 0
    for t, end in zip(times, ends, strict=True):
        if end > before:
            arrivals.append(t)
            arrived.append(end)
            before = end
    return tuple(arrivals), tuple(arrived)


def _lines(headers: Mapping[str, str]) -> list[str]:
    return [f"{name}: {_one_line(value)}" for name, value in headers.items()]


def _one_line(value: str) -> str:
    """A header value that cannot break out of its line."""
    if not value.isprintable():
        value = "".join([c if c.isprintable() else " " for c in value])
    return value.strip()
