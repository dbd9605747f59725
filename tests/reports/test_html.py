"""The page is one file that loads nothing, runs nothing, hides nothing, and stays small."""

import base64
import hashlib
import io
import re
from html import unescape
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace
from rich.console import Console

from tests.reports import made
from tiltyard.reports.html import MAX_BYTES, render
from tiltyard.reports.terminal import render_summary

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u202egnp.exe\x1b[31m\x00\u2028\"'&{{7*7}}"
)


def page_of(pairs, answers=None):
    makers = {maker.id: maker for maker, _ in pairs}
    reads = answers or (lambda run_id: made.answer(makers[run_id]))
    return render([run for _, run in pairs], lambda run_id: makers[run_id].attempts, reads, {})


def headline_of(pairs):
    """The title and what stands below it."""
    text = page_of(pairs).replace("\u00a0", " ").replace("&#39;", "'")
    return re.search(r"<h1>(.*?)</h1>", text)[1], re.search(r'lede">(.*?)</p>', text)[1]


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def test_it_holds_everything_and_nothing_that_acts():
    text = page_of(made.everything())
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "iframe", "link", "object", "embed", "form", "base"}
    assert not [
        a
        for _, attrs in page.tags
        for a in attrs
        if a.startswith("on") or a in ("style", "src", "xlink:href")
    ]
    assert {attrs["href"][0] for tag, attrs in page.tags if tag == "a"} == {"#"}
    assert "url(" not in text
    assert "@import" not in text
    words = " ".join(page.words).replace("\u00a0", " ")
    for wanted in ("gemma3:1b", "qwen3:8b", "Throughput by parallel streams",
                   "tiltyard run speed --profile depth",
                   "NVIDIA GeForce RTX 4090", "calibration", "Another model (gemma3:4b) was in memory",
                   "78 of 80 requests ended well", "Rayleigh",
                   "8 parallel streams are enough", "Decode speed drifted", "d65536 left out",
                   "95 % were within ttft=2s; no higher rate"):  # fmt: skip
        assert wanted in words
    assert len(text.encode()) < MAX_BYTES


def rows_of(text):
    """The cells of every row of the page, by the words of its first."""
    rows = re.findall(r"<tr>(.*?)</tr>", text.replace("\u00a0", " "), re.S)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in rows]
    return {re.sub(r"<[^>]*>", "", row[0]).strip(): [unescape(c) for c in row[1:]] for row in cells if row}


def test_it_has_every_figure_that_the_terminal_has():
    maker = made.quick("a")
    warm = {"n": 9, "mean": 8123.0, "p50": 8100.0, "ci95": [8000.0, 8246.0]}
    due = {"n": 9, "mean": 812.0, "p50": 800.0, "why": "one value hangs on the other"}
    goodput = {"slo": "ttft=500ms", "good": 5, "total": 9, "requests_per_s": 2.5, "share_why": "<they queue>"}
    figures = {"prefill_warm_tps": warm, "ttft_scheduled_ms": due, "goodput": goodput, "output_tps": 211.0,
               "figures_from": "all stages"}  # fmt: skip
    for kind in ("closed", "poisson"):
        run = maker.run(**figures, stages=[{"name": "s", "load": {"kind": kind}}])
        text = page_of([(maker, run)])
        found = rows_of(text)
        assert found["Prefill speed, cached prompt tok/s"][:3] == ["9", "8,123", "8,000 to 8,246"]
        scheduled = found.get("Time to first token since it was due ms", [])
        assert scheduled[:3] == (["9", "812", "one value hangs on the other"] if kind == "poisson" else [])
        out = io.StringIO()
        render_summary(run.summary, Console(file=out, width=200, color_system=None))
        said = [line.strip() for line in out.getvalue().splitlines()]
        for name, value, unit, note in (
            ("Output, all streams", "211", "tok/s", "one value: no interval"),
            ("Requests answered", "0.300", "req/s", "one value: no interval"),
            ("Goodput", "2.50", "req/s", "5 of 9 requests within ttft=500ms; no interval: <they queue>"),
            ("Energy", "0.425", "tok/J", "net of the idle baseline"),
        ):
            assert found[f"{name} {unit}"] == ["", value, note]
            (line,) = [line for line in said if line.startswith(name.lower())]
            assert line.split() == [*name.lower().split(), value, unit, *note.split()]


def test_energy_with_idle_power_in_it_is_marked_on_the_board():
    net, gross = made.quick("net", 100), made.quick("gross", 80)
    machine = {"telemetry": "ok", "energy_j": 10.0, "energy_net_j": None, "tokens_per_joule": 0.25}
    found = rows_of(page_of([(net, net.run()), (gross, gross.run(machine=machine))]))
    assert found["1"][-1] == "0.425"
    assert re.sub(r"<[^>]*>", " ", found["2"][-1]).split() == ["0.250", "idle", "power", "included"]


def test_the_policy_names_the_only_style():
    text = page_of(made.everything()[:1])
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert text.count("<style") == 1


def test_hostile_text_everywhere_stays_text():
    maker = made.Maker(HOSTILE, quantization=HOSTILE, engine_version=HOSTILE).stage(HOSTILE, 5)
    run = maker.run(profile=HOSTILE, notes=[HOSTILE], endings={"ok": 4, HOSTILE: 1})
    answer = made.answer(maker, HOSTILE, HOSTILE)
    text = page_of([(maker, run)], lambda _: answer)
    page = Page(text)
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    for hidden in ("\u202e", "\x1b", "\x00", "\u2028"):
        assert hidden not in text
    assert "49gnp" not in text
    assert "‹U+202E›" in text
    assert "<script>alert(1)</script>" in "".join(page.words)


def test_a_huge_answer_is_cut_with_a_word():
    maker, run = made.everything()[4]
    text = page_of([(maker, run)], lambda _: made.answer(maker, "p", "y" * 10_000_000))
    assert len(text.encode()) < 60_000
    assert "cut here: 10,000,000 characters in all" in text


@pytest.mark.slow
def test_a_thousand_models_stay_under_the_bound_and_it_says_what_is_missing():
    pairs = []
    for i in range(1_000):
        maker = made.quick(f"model-{i:04d}-{'long-name-' * 8}", 20 + i / 10, n=3)
        pairs.append((maker, maker.run()))
    text = page_of(pairs)
    assert len(text.encode()) < MAX_BYTES
    assert "700 rows from the end of the board are left out here" in text
    assert "of these runs have no section of their own" in text
    assert "1000 models" in text


def test_runs_without_any_figure():
    maker = made.quick("broken", n=1)
    run = maker.run(endings={"connect_error": 3}, decode_tps=None, ttft_ms=None, prefill_tps=None,
                    chunk_gap_ms=None, stages=[], load=None, machine=None, state="failed")  # fmt: skip
    maker.attempts.clear()
    text = page_of([(maker, run)], lambda _: None)
    assert "No decode speed was measured" in text
    assert "0 of 3 requests ended well" in text
    assert "connect error" in text
    assert ">failed<" in text


def test_headlines_are_honest():
    def title(a, b):
        pairs = [(m, m.run()) for m in (a, b)]
        text = page_of(pairs)
        return re.search(r"<h1>(.*?)</h1>", text)[1] + " | " + re.search(r'lede">(.*?)</p>', text)[1]

    assert "a is the fastest" in title(made.quick("a", 100), made.quick("b", 80))
    assert "% faster than b" in title(made.quick("a", 100), made.quick("b", 80)).replace("\u00a0", " ")
    assert "times as fast as" in title(made.quick("a", 100), made.quick("b", 30))
    assert "cannot tell" in title(made.quick("a", 100, n=4), made.quick("b", 100.5, n=4))
    assert "less than 2 %" in title(made.quick("a", 100, n=80), made.quick("b", 100, n=80)).replace(
        "\u00a0", " "
    )
    assert "a decodes" in title(made.quick("a", 100), made.depth("b"))
    assert "under another load" in title(made.quick("a", 100), made.depth("b"))
    few, many = made.Maker("a", 100).stage("1 stream"), made.Maker("b", 30).stage("8 streams", concurrency=8)
    assert "under another load" in title(few, many)


def under(maker, **settings):
    """A run of this maker's under another load, or of another profile."""
    run = maker.run()
    return maker, replace(run, settings={**run.settings, **settings})


def test_a_model_is_not_compared_with_itself():
    """Three loads of one model are one model; the next is the first run of another."""
    streams = [
        under(made.quick("a", 100 - n / 10, seed=n), profile="fixed", concurrency=n) for n in (1, 2, 4)
    ]
    deep = made.depth("a", 99, seed=9)
    own = [*streams, (deep, deep.run(profile="depth"))]
    title, lede = headline_of(own)
    assert title.startswith("a decodes ")
    assert lede.startswith("95 % interval ")
    slower = under(made.quick("b", 40), profile="fixed", concurrency=1)
    title, lede = headline_of([*own, slower])
    assert title.startswith("a is the fastest, at ")
    assert lede.endswith("times as fast as b, the next.")
    text = page_of([*own, slower])
    assert "2 models" in text


def test_runs_of_one_model_over_the_same_are_no_two_models():
    """They are named by their ids, and are one model all the same."""
    pairs = [(maker, maker.run()) for maker in (made.quick("a", 100, seed=1), made.quick("a", 99, seed=2))]
    title, lede = headline_of(pairs)
    assert title.startswith(f"a (run {pairs[0][1].id}) decodes ")
    assert lede.startswith("95 % interval ")
    assert "1 model " in page_of(pairs)


def test_the_next_is_taken_under_the_load_of_the_first_where_no_other_model_stands_between():
    def with_streams(name, decode, streams):
        maker = made.Maker(name, decode, seed=streams).stage(f"{streams} streams", concurrency=streams)
        return under(maker, profile="fixed", concurrency=streams)

    pairs = [with_streams("a", 100, 2), with_streams("b", 60, 4), with_streams("b", 40, 2)]
    title, lede = headline_of(pairs)
    assert title.startswith("a is the fastest, at ")
    assert lede.endswith("times as fast as b, the next.")
    title, lede = headline_of([*pairs, with_streams("c", 50, 2)])
    assert title.startswith("a decodes ")
    assert lede.startswith("b has ")
    assert lede.endswith("under another load.")


def test_a_run_without_a_section_of_its_own_is_compared_too():
    pairs = [under(made.quick("a", 100 + n, seed=n), concurrency=n) for n in range(30)]
    title, lede = headline_of([*pairs, under(made.quick("b", 40), concurrency=29)])
    assert title.startswith("a is the fastest, at ")
    assert lede.endswith("times as fast as b, the next.")


def test_a_lead_that_many_share_says_how_many():
    pairs = [(m, m.run()) for m in (made.quick(name, 100 + i / 100, n=4) for i, name in enumerate("abcde"))]
    slow = made.quick("slow", 20)
    again = made.quick("a", 100, n=4, seed=2)  # one model, however many of its runs are there
    title, lede = headline_of([*pairs, (slow, slow.run()), (again, again.run())])
    assert re.fullmatch(r"\S.* and 3 others cannot be told apart", title)
    assert lede.startswith("These runs cannot tell which of them is the fastest; ")
    assert headline_of(pairs[:3])[0].endswith(" and 1 other cannot be told apart")
    assert headline_of(pairs[:2])[0].endswith(" and b cannot be told apart")
    alike = [(m, m.run()) for m in (made.quick(name, 100, n=80) for name in "abc")]
    title, lede = headline_of(alike)
    assert title.endswith(" and 1 other lead")
    assert lede.startswith("The decode speeds of the first two differ by less than 2 %")


def said(*makers, **of_last):
    """The headline of these, the words below it, and each one's rank, by name."""
    pairs = [(maker, maker.run()) for maker in makers[:-1]]
    pairs.append((makers[-1], makers[-1].run(**of_last)))
    text = page_of(pairs).replace("\u00a0", " ")
    rank = r'<td class="rank">(.*?)</td>\s*<th scope="row" class="name"><a href="#m\d+">(.*?)</a>'
    ranks = {name: place for place, name in re.findall(rank, text)}
    return re.search(r"<h1>(.*?)</h1>", text)[1], re.search(r'lede">(.*?)</p>', text)[1], ranks


def test_a_third_model_whose_interval_reaches_over_the_first_shares_its_place():
    title, lede, ranks = said(
        made.quick("a", 100), made.quick("b", 90), made.quick("d", 70, n=3, noise=0.35, seed=7)
    )
    assert title == "a and d cannot be told apart"
    assert lede.startswith("These runs cannot tell which of the two is faster; a decodes ")
    assert ranks == {"a": "1=", "b": "2", "d": "1="}
    title, _, ranks = said(made.quick("a", 100), made.quick("b", 90), made.quick("d", 70))
    assert title.startswith("a is the fastest, at ")
    assert ranks == {"a": "1", "b": "2", "d": "3"}


def test_a_model_without_an_interval_is_not_surely_slower():
    title, _, ranks = said(made.quick("a", 100), made.quick("b", 90), made.quick("d", 70, n=1))
    assert title == "a and d cannot be told apart"
    assert ranks == {"a": "1=", "b": "2", "d": "1="}


def test_a_model_of_another_machine_that_shares_the_place_leaves_no_winner():
    pairs = [(m, m.run()) for m in (made.quick("a", 100), made.quick("b", 90))]
    far = made.quick("d", 70, n=3, noise=0.35, seed=7)
    title, lede = headline_of([*pairs, (far, replace(far.run(), machine={"cpu": "Apple M3"}))])
    assert "fastest" not in title
    assert lede.endswith("on another machine.")


def test_who_is_faster_by_a_direct_comparison_alone_shares_the_place():
    title, lede, ranks = said(
        *(made.quick(name, speed, noise=0.025, seed=3) for name, speed in (("a", 103), ("b", 100)))
    )
    assert title == "a and b lead"
    assert re.match(
        r"Their intervals overlap, but compared directly a is \S+ to \S+ % faster than b; a ", lede
    )
    assert ranks == {"a": "1=", "b": "1="}


def test_a_small_but_sure_lead_is_told_as_such():
    title, lede, ranks = said(made.quick("a", 101, noise=0.002), made.quick("b", 100, noise=0.002))
    assert title.startswith("a leads, at ")
    assert lede == "b, the next, is less than 2 % slower."
    assert ranks == {"a": "1", "b": "2"}


def test_equal_models_of_two_boards_have_no_leader():
    """They were asked different items, so they share no place; their intervals overlap all the same."""
    two = made.quick("a", 100.05, noise=0.004), made.quick("b", 100, noise=0.004, seed=9)
    pairs = [(m, m.run()) for m in two]
    pairs[1] = (pairs[1][0], replace(pairs[1][1], settings={**pairs[1][1].settings, "depths": "0,4k"}))
    title, lede = headline_of(pairs)
    assert title == "a and b lead"
    assert lede.startswith("Their decode speeds differ by less than 2 %")


def test_a_headline_tells_models_of_one_name_apart():
    quants = [made.quick("a", 100, quantization="Q4_0"), made.quick("a", 80, seed=2, quantization="Q8_0")]
    text = page_of([(maker, maker.run()) for maker in quants]).replace("\u00a0", " ")
    assert "a (Q4_0) is the fastest" in text
    assert "faster than a (Q8_0)" in text


def test_a_headline_may_be_told_otherwise_by_all_stages():
    first, second = made.quick("a", 100), made.quick("b", 120)
    shown = {"mean": 90.0, "ci95": [89.0, 91.0], "n": 14}  # of the stage that the summary is about
    text = page_of([(first, first.run()), (second, second.run(decode_tps=shown))])
    assert "Over all stages that both have b is the faster of the two" in text


def test_a_lead_over_several_stages_says_so():
    """What the board shows of one stage may have another ratio."""

    def lede(make, of_a, of_b, noise, **of_last):
        return said(make("a", of_a, noise=noise), make("b", of_b, noise=noise), **of_last)[1]

    over_all = "over all stages that both have"
    clear = lede(made.depth, 100, 45, 0.002)
    assert re.fullmatch(rf"It is 2\.2\S*( to \S+)? times as fast as b, the next, {over_all}\.", clear), clear
    assert over_all not in lede(made.quick, 100, 45, 0.002)
    shown = {"mean": 60.0, "ci95": [59.0, 61.0], "n": 10}  # of the stage that the summary is about
    near = lede(made.depth, 100, 99, 0.0005, decode_tps=shown)
    assert near == f"b, the next, is less than 2 % slower, {over_all}."
    level = lede(made.depth, 100, 99, 0.0005)
    assert level.startswith(f"Their decode speeds differ by less than 2 % {over_all}; a decodes ")
    direct = lede(made.depth, 100, 96, 0.002)
    assert direct.startswith(f"Their intervals overlap, but compared directly, {over_all}, a is ")


def test_figures_of_another_stage_say_so():
    """A depth run waits for its prompts in one stage and decodes in another."""
    maker, run = made.everything()[0]
    assert "· pp512" not in page_of([(maker, run)])
    summary = {**run.summary, "figures_from": "tg128", "waits_from": "pp512"}
    page = page_of([(maker, replace(run, summary=summary))])
    row = re.search(r"Time to first token.*?</tr>", page, re.S)
    assert row is not None
    assert "· pp512" in page
    assert re.search(r"Time to first token\s*<[^>]*>\s*ms · pp512", page)
    assert re.search(r"Decode speed\s*<[^>]*>\s*tok/s · tg128", page)


def test_the_headline_claims_nothing_of_figures_that_were_measured_in_different_ways():
    a, b = made.quick("a", 100), made.quick("b", 80)
    for maker, source in ((a, "client-estimated"), (b, "client")):
        maker.attempts = [
            replace(x, measures=replace(x.measures, rate_source=source)) for x in maker.attempts
        ]
    text = (
        page_of([(a, a.run(rate_source="client-estimated")), (b, b.run())])
        .replace("\u00a0", " ")
        .replace("&#39;", "'")
    )
    assert "<h1>a decodes" in text
    assert "cannot be compared: b's is timed by the client, a's is of tokens estimated" in text
    assert "fastest" not in text
    assert ">tokens estimated<" in text


@pytest.mark.parametrize(
    ("interval", "why", "caption"),
    [
        ([71.0, 92.0], None, "The band is the 95 % interval of the mean: 71.0 to 92.0."),
        (None, "waits hang together", "No band: waits hang together."),
    ],
)
def test_a_distribution_has_the_interval_that_the_run_gives(interval, why, caption):
    maker = made.quick("a", 80)
    run = maker.run(decode_tps={**maker.run().summary["decode_tps"], "ci95": interval, "why": why})
    for stage in maker.stages:
        stage["decode_tps"] = {**stage["decode_tps"], "ci95": interval, "why": why}
    assert caption in page_of([(maker, run)]).replace("\u00a0", " ")


def test_a_run_in_which_requests_failed_says_so_on_the_board_and_in_the_headline():
    fast, slow = made.quick("fast", 100), made.quick("slow", 80)
    text = page_of([(fast, fast.run(endings={"ok": 27, "connect_error": 13})), (slow, slow.run())])
    text = text.replace("\u00a0", " ").replace("&#39;", "'")
    row = re.search(r">fast</a>.*?</th>", text)[0]
    assert '<span class="flag">✗ 13 failed</span>' in row
    assert "failed" not in re.search(r">slow</a>.*?</th>", text)[0]
    title = re.search(r"<h1>(.*?)</h1>", text)[1]
    assert re.fullmatch(
        r"fast is the fastest, at .* tokens per second in the requests that ended well", title
    )
    assert "13 of the 40 requests of fast failed." in re.search(r'lede">(.*?)</p>', text)[1]
    alone = page_of([(fast, fast.run(endings={"ok": 27, "connect_error": 13}))]).replace("\u00a0", " ")
    assert re.search(r"<h1>fast decodes .* in the requests that ended well</h1>", alone)


def test_a_headline_says_of_the_second_too_that_requests_failed():
    fast, slow = made.quick("fast", 100), made.quick("slow", 80)
    text = page_of([(fast, fast.run()), (slow, slow.run(endings={"ok": 13, "timeout_gap": 1}))])
    text = text.replace("\u00a0", " ")
    assert "in the requests that ended well" not in text
    assert "1 of the 14 requests of slow failed." in re.search(r'lede">(.*?)</p>', text)[1]


def test_models_that_read_alike_are_named_by_where_they_are_served():
    pairs = []
    for i, (name, quantization) in enumerate([("a", "Q4_0"), ("a", "Q4_0"), ("a", "Q8_0"), ("b", "Q4_0")]):
        maker = made.quick(name, 100 - 9 * i, seed=i, quantization=quantization)
        run = maker.run()
        pairs.append((maker, replace(run, server=replace(run.server, url=f"http://10.0.0.{i}:1"))))
    text = page_of(pairs).replace("\u00a0", " ")
    assert "a (ollama 10.0.0.0:1) is the fastest" in text
    assert "faster than a (ollama 10.0.0.1:1), the next" in text
    assert re.findall(r'<th scope="row" class="name"><a href="#m\d">(.*?)</a>', text) == [
        "a (ollama 10.0.0.0:1)", "a (ollama 10.0.0.1:1)", "a", "b",
    ]  # fmt: skip
    assert "4 models" in text
