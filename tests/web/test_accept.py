"""Who gets JSON and who the exposition: by the Accept header, as clients really send it."""

from __future__ import annotations

import json
import urllib.request

import pytest

from tiltyard.web.exposition import wants_exposition
from tiltyard.web.metrics import MetricsServer

OPENMETRICS, PLAIN = "application/openmetrics-text", "text/plain"
PROMETHEUS_2 = f"{OPENMETRICS};version=1.0.0,{PLAIN};version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_3 = (
    f"{OPENMETRICS};version=1.0.0;escaping=allow-utf-8;q=0.6,{OPENMETRICS};version=0.0.1;q=0.5,"
    f"{PLAIN};version=1.0.0;escaping=allow-utf-8;q=0.4,{PLAIN};version=0.0.4;q=0.3,*/*;q=0.2"
)
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept",
    [
        PROMETHEUS_2,
        PROMETHEUS_3,
        f"{PROTOBUF},{PROMETHEUS_3}",
        PLAIN,
        OPENMETRICS,
        f"{PLAIN}, */*",
        f"*/*, {PLAIN}",
        f"{PLAIN};version=0.0.4",
        f"{PLAIN}; Q=0.5, application/json; q=0.4",
        f"{PLAIN}, application/json",
        "TEXT/Plain",
        "text/*",
        f"application/json;q=0, {PLAIN};q=0.001",
    ],
)
def test_scrapers(accept: str) -> None:
    assert wants_exposition(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        f"application/json, {PLAIN}, */*",  # axios
        f"{PLAIN};q=0.1, application/json",
        f"{PLAIN}; q=0.1, application/*",
        f"{PLAIN};q=0.1,*/*",
        f"{PLAIN};q=0",
        f"{PLAIN};q=0, */*",
        BROWSER,
        "application/*",
        "application/xml",
        "text/plainly",
        ",;,=;q=,;;",
        "*/*;q=nan",
    ],
)
def test_everybody_else(accept: str) -> None:
    assert not wants_exposition(accept)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (PLAIN, PLAIN),
        (OPENMETRICS, OPENMETRICS),
        (f"{PLAIN};version=what", PLAIN),
        (f"{OPENMETRICS};version=;escaping=none", OPENMETRICS),
        (f"{OPENMETRICS};q=0, {PLAIN}", PLAIN),
        (BROWSER, "application/json"),
    ],
)
def test_what_is_served(accept: str, kind: str) -> None:
    with MetricsServer(list, port=0) as server:
        request = urllib.request.Request(server.url, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=20) as reply:
            assert reply.headers.get_content_type() == kind
            if kind == "application/json":
                json.load(reply)
