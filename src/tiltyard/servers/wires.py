"""Which wire an address needs: our own connections for plain http, aiohttp's for https and through proxies.

The second is imported only when an address needs it.
"""

from __future__ import annotations

from tiltyard import settings
from tiltyard.servers import Address
from tiltyard.servers.wire import Wire, parse_origin


def open_wire(address: Address) -> Wire:
    """The client for an address, not yet connected; raises UsageError where it is none."""
    origin = parse_origin(address.url)
    proxy = settings.proxy_for(origin.url)
    if proxy is not None or origin.scheme == "https":
        from tiltyard.servers.tls import TlsWire

        return TlsWire(address, proxy=proxy)
    return Wire(address)
