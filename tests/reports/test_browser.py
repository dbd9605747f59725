"""The page in a real browser: nothing overflows, nothing is refused, dark is dark, charts are there."""

import shutil
import struct
import zlib

import pytest

from tests.reports import made
from tests.reports.graded import Graded
from tests.reports.test_html import HOSTILE, page_of

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH (apt install chromium)"),
]


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    file = tmp_path_factory.mktemp("report") / "report.html"
    maker = made.Maker(HOSTILE, 9.0, engine_version=HOSTILE).stage(HOSTILE, 5)
    pairs = [*made.everything(), (maker, maker.run(notes=[HOSTILE, "word" * 200]))]
    for name, suite in (("qwen3:8b", "mcq"), (HOSTILE, "mcq"), (HOSTILE, "json")):
        answers = Graded(name, 30, seed=suite).answers(
            60, 0.7, partial=suite == "json", errors=2, truncated=4
        )
        pairs.append((answers, answers.run(suite=suite, items=HOSTILE)))
    makers = {m.id: m for m, _ in pairs}
    file.write_text(page_of(pairs, lambda i: made.answer(makers[i], HOSTILE, HOSTILE * 20)), encoding="utf-8")
    return file.as_uri()


def opened(browser, address, width, scheme="light"):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.complaints, page.asked = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (page.complaints.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(address)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 480, 800, 1280])
def test_it_fits_and_nothing_is_refused(browser, address, width, scheme):
    page = opened(browser, address, width, scheme)
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []
    assert page.asked == [address]
    page.close()


def test_charts_have_size_and_ink(browser, address):
    page = opened(browser, address, 1280)
    boxes = page.evaluate(
        "[...document.querySelectorAll('svg.chart')].map(s => [s.clientWidth, s.clientHeight])"
    )
    assert len(boxes) >= 15
    assert all(w > 300 and h > 50 for w, h in boxes)
    stroke = page.evaluate("getComputedStyle(document.querySelector('.line.s1')).stroke")
    assert stroke == "rgb(11, 83, 148)"
    page.close()


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_real_pixels_follow_the_scheme(browser, address, scheme, dark):
    page = opened(browser, address, 1280, scheme)
    pixels = corner_pixels(page.screenshot())
    assert all((value < 60) is dark for value in pixels)
    words = page.evaluate("getComputedStyle(document.body).color")
    ink = [int(v) for v in words[4:-1].split(",")]
    assert contrast(ink, pixels[:3]) > 7
    page.close()


def test_muted_words_can_be_read(browser, address):
    for scheme in ("light", "dark"):
        page = opened(browser, address, 1280, scheme)
        muted, paper = page.evaluate(
            "[getComputedStyle(document.querySelector('.where')).color,"
            " getComputedStyle(document.body).backgroundColor]"
        )
        assert contrast(*([int(v) for v in c[4:-1].split(",")] for c in (muted, paper))) > 4.5
        page.close()


def test_print_shows_what_is_folded(browser, address):
    page = opened(browser, address, 1280)
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(page.pdf()) > 20_000
    page.close()


def corner_pixels(png):
    """Red, green and blue of the first pixel: read from the PNG itself, as no imaging library is at hand."""
    data, at = b"", 8
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    return list(zlib.decompress(data)[1:4])


def contrast(one, other):
    """Contrast ratio of WCAG 2."""

    def luminance(rgb):
        parts = [v / 255 / 12.92 if v / 255 <= 0.03928 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in rgb]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
