"""The same wire over https, and through HTTP proxies, by aiohttp.

Arrivals are stamped by us in the read that hands them over (clock "user"): the kernel's stamps belong to
encrypted records. aiohttp is imported only when a connection is first needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakSet

from tiltyard.records import Capture, Ending, Timeline, Timeouts
from tiltyard.servers import Address
from tiltyard.servers.answer import TOO_LARGE, has_spoken
from tiltyard.servers.clock import now_ns, unix_offset_ns
from tiltyard.servers.connection import ExchangeError, os_error_words
from tiltyard.servers.wire import FEW, When, Wire

if TYPE_CHECKING:
    import aiohttp


_CLOSING_S = 0.01
_SPLIT = 256  # bytes looked at again, as a read may end within a word; far more than one takes


class _Progress:
    """What one exchange has reached, filled in as it goes so that a failure loses nothing."""

    def __init__(self, largest: int | None) -> None:
        self.largest = largest  # bytes of the body
        self.connected_ns: int | None = None
        self.reused = False
        self.sent_ns: int | None = None
        self.headers_ns: int | None = None
        self.closed_ns: int | None = None
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.times: list[int] = []
        self.ends: list[int] = []
        self.body = bytearray()
        self.limit_s = 0.0  # of the silence that is under way in the answer
        self.has_spoken = False


class TlsWire(Wire):
    """`Wire` for https, and for http through a proxy (`proxy`: its URL)."""

    def __init__(
        self, address: Address, *, context: ssl.SSLContext | None = None, proxy: str | None = None
    ) -> None:
        super().__init__(address)
        self._context = context
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._under_way: list[_Progress] = []

    def unspoken(self) -> bool:
        return len(self._under_way) <= FEW and not all(seen.has_spoken for seen in self._under_way)

    async def open_ahead(self, count: int) -> None:
        """Does nothing: aiohttp opens a connection only for a request, so the first of each pays for it."""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
            for sock in self._sockets:  # a server that hangs would never answer TLS's farewell
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            await asyncio.sleep(_CLOSING_S)  # transports close after another turn of the loop

    def _open_socket(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket that `close` can still reach; aiohttp keeps its own ones to itself."""
        sock = socket.socket(address[0], address[1], address[2])
        sock.setblocking(False)
        self._sockets.add(sock)
        return sock

    async def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        when: When,
    ) -> Capture:
        import aiohttp

        scheduled_ns, timeouts, largest = when
        started_ns = now_ns()
        seen = _Progress(largest)
        failure: Ending | None = None
        error: str | None = None
        self._under_way.append(seen)
        try:
            async with asyncio.timeout(timeouts.total_s):
                await self._exchange((method, path), headers, body, timeouts, seen)
        except TimeoutError as timeout:
            failure, error = _timeout_words(timeout, timeouts, seen)
        except ExchangeError as problem:
            failure, error = problem.ending, problem.error
        except aiohttp.ClientError as problem:
            failure, error = self._words(problem, seen)
        except OSError as problem:
            failure = "error_midstream" if seen.status is not None else "connect_error"
            error = f"the connection broke ({os_error_words(problem)})"
        finally:
            self._under_way.remove(seen)
        timeline = Timeline(
            scheduled_ns=started_ns if scheduled_ns is None else scheduled_ns,
            started_ns=started_ns,
            connected_ns=seen.connected_ns,
            reused=seen.reused,
            sent_ns=seen.sent_ns,
            headers_ns=seen.headers_ns,
            arrivals_ns=tuple(seen.times),
            arrivals_end=tuple(seen.ends),
            closed_ns=seen.closed_ns or now_ns(),
            clock="user",
            origin_unix_ns=unix_offset_ns(),
        )
        return Capture(
            timeline=timeline,
            status=seen.status,
            headers=seen.headers,
            body=self._without_key(bytes(seen.body), seen.status),
            failure=failure,
            error=error,
        )

    async def _exchange(
        self,
        target: tuple[str, str],
        headers: Mapping[str, str],
        body: bytes,
        timeouts: Timeouts,
        seen: _Progress,
    ) -> None:
        async with self._answer(target, headers, body, timeouts, seen) as response:
            seen.headers_ns = now_ns()
            seen.status = response.status
            seen.headers = {name.lower(): value for name, value in response.headers.items()}
            chunks = response.content.iter_any().__aiter__()
            seen.limit_s = timeouts.first_byte_s
            most = timeouts.most_bytes
            while True:
                try:
                    async with asyncio.timeout(seen.limit_s):
                        data = await chunks.__anext__()
                except StopAsyncIteration:
                    break
                stamp = now_ns()
                if data:
                    begin = len(seen.body)  # what came before was looked through
                    seen.body += data
                    seen.times.append(stamp)
                    seen.ends.append(len(seen.body))
                    if seen.largest is not None and len(seen.body) > seen.largest:
                        raise ExchangeError("error_midstream", TOO_LARGE)
                    if not seen.has_spoken:
                        seen.has_spoken = has_spoken(seen.body, max(0, begin - _SPLIT))
                        seen.limit_s = timeouts.gap_s if seen.has_spoken else timeouts.before_words_s
                    if most is not None and len(seen.body) > most:
                        raise ExchangeError("timeout_gap", timeouts.endless)
            seen.closed_ns = now_ns()

    @asynccontextmanager
    async def _answer(
        self,
        target: tuple[str, str],
        headers: Mapping[str, str],
        body: bytes,
        timeouts: Timeouts,
        seen: _Progress,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        import aiohttp
        from yarl import URL

        method, path = target
        session = self._open_session()
        # the connect limit covers the name look-up and the TLS handshake as well
        limits = aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=timeouts.connect_s, sock_read=timeouts.first_byte_s
        )
        url = f"{self.origin.scheme}://{self.origin.authority}{self._target(path)}"
        async with session.request(
            method,
            URL(url, encoded=True),
            data=body or None,
            headers={**self._headers, "Accept-Encoding": "identity", **headers},
            timeout=limits,
            proxy=self._proxy,
            allow_redirects=False,
            trace_request_ctx=seen,
        ) as response:
            yield response

    def _open_session(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None or self._session.closed:
            context: ssl.SSLContext | bool = self._context if self._context is not None else True
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, ssl=context, keepalive_timeout=60, socket_factory=self._open_socket
                ),
                trace_configs=[_tracing()],
                auto_decompress=True,
            )
        return self._session

    def _words(self, problem: aiohttp.ClientError, seen: _Progress) -> tuple[Ending, str]:
        import aiohttp

        where = self.origin.authority
        if self._proxy is not None:
            proxy = urlsplit(self._proxy)
            where += f" through the proxy {proxy.hostname}:{proxy.port or 80}"
        if isinstance(problem, aiohttp.ClientHttpProxyError):
            return "connect_error", f"no way to {where}: it answers {problem.status} {problem.message}"
        if isinstance(problem, aiohttp.ClientConnectorCertificateError):
            reason = getattr(problem.certificate_error, "verify_message", "") or "it cannot be verified"
            return "connect_error", f"the certificate of {where} is not trusted: {reason}"
        if isinstance(problem, aiohttp.ClientConnectorSSLError):
            return "connect_error", f"{where} does not answer in TLS"
        if isinstance(problem, aiohttp.ClientConnectorError):
            return "connect_error", f"cannot connect to {where}: {os_error_words(problem.os_error)}"
        if isinstance(problem, aiohttp.ClientPayloadError) or seen.status is not None:
            return "error_midstream", "the server closed the connection in the middle of the answer"
        if isinstance(problem, aiohttp.ServerDisconnectedError):
            return "connect_error", "the server closed the connection without an answer"
        return "connect_error", f"no valid answer from {where} ({type(problem).__name__})"


def _timeout_words(problem: TimeoutError, limits: Timeouts, seen: _Progress) -> tuple[Ending, str]:
    """aiohttp raises its own kinds for the connect and read limits; ours is the bare one."""
    if seen.sent_ns is None:
        return "connect_error", f"no connection within {limits.connect_s:g} s"
    waited_s = (now_ns() - seen.sent_ns) / 1e9
    begun = bool(seen.body)
    if limits.total_s is not None and waited_s >= limits.total_s * 0.99:
        if not begun:
            return "timeout_first_byte", f"no answer within {limits.total_s:g} s"
        return "timeout_gap", f"the whole answer took longer than {limits.total_s:g} s"
    if begun:
        return "timeout_gap", f"silence for more than {seen.limit_s:g} s within the answer"
    return "timeout_first_byte", f"no answer within {limits.first_byte_s:g} s"


def _tracing() -> aiohttp.TraceConfig:
    """Hooks that stamp when a connection was ready and when the request's first byte went out."""
    import aiohttp

    async def connected(_session: object, context: object, _params: object) -> None:
        _progress(context).connected_ns = now_ns()

    async def reused(_session: object, context: object, _params: object) -> None:
        _progress(context).reused = True

    async def sending(_session: object, context: object, _params: object) -> None:
        _progress(context).sent_ns = now_ns()

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(reused)
    trace.on_request_headers_sent.append(sending)
    return trace


def _progress(context: object) -> _Progress:
    seen = getattr(context, "trace_request_ctx", None)
    assert isinstance(seen, _Progress)
    return seen
