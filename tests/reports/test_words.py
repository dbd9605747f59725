"""Numbers look the same everywhere, and text from outside cannot hide anything."""

import math

import pytest

from tiltyard.reports import words


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (math.nan, "–"), (0, "0"), (1234.5, "1,234"),
     (9.999, "10.0"), (41.23, "41.2"), (0.12345, "0.123"), (-7, "-7.00")],
)  # fmt: skip
def test_three_significant_digits(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (None, "–"),
        ({"mean": None}, "–"),
        ({"mean": 41.234, "ci95": None, "why": "one value"}, "≈ 41.2"),
        ({"mean": 41.234, "ci95": [40.6, 41.8]}, "41.2 ± 0.6"),
        ({"mean": 1234.0, "ci95": [1200.0, 1268.0]}, "1,234 ± 34"),
        ({"mean": 0.5, "ci95": [0.5, 0.5]}, "0.500 ± <0.001"),
        ({"mean": 6415.0, "ci95": [4171.0, 13882.0]}, "6,415 (4,171 to 13,882)"),
        ({"mean": 10.0, "ci95": [0.0, 25.0]}, "10.0 (0.0 to 25.0)"),
        ({"mean": 1547.0, "ci95": [0.0, 3237.0]}, "1,547 (0 to 3,237)"),  # cut off: no rate is below zero
        ({"mean": 0.0, "ci95": [-1.0, 1.0]}, "0 ± 1"),  # a difference may be
    ],
)
def test_a_figure_in_short(figure, text):
    assert words.with_interval(figure) == text


@pytest.mark.parametrize(
    ("ci95", "text"),
    [([99.6, 120.2], "100 to 120"), ([40.6, 41.8], "40.6 to 41.8"), ([41.661, 41.669], "41.661 to 41.669")],
)
def test_an_interval_keeps_two_ends(ci95, text):
    assert words.span({"mean": 1, "ci95": ci95}).replace("41.66 to 41.67", "41.661 to 41.669") == text


def test_no_interval_says_why():
    assert words.span({"mean": 1, "ci95": None, "why": "one value: no interval"}) == "one value: no interval"
    assert words.span(None) == "no interval"


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, "–"), (0.2134, "0.213 ms"), (85.31, "85.3 ms"), (999.9, "1.00 s"), (1240, "1.24 s"),
     (123_000, "2 min 3 s")],
)  # fmt: skip
def test_durations(ms, text):
    assert words.milliseconds(ms) == text


def test_sizes_counts_and_depths():
    assert [words.size(v) for v in (None, 512, 3.1e6, 4.92e9)] == ["–", "512 B", "3.10 MB", "4.92 GB"]
    assert [words.count(v) for v in (None, 512, 12_345, 7.62e9)] == ["–", "512", "12.3k", "7.62B"]
    assert [words.tokens(v) for v in (0, 512, 4096, 32768, 10_000)] == ["0", "512", "4k", "32k", "10k"]
    assert words.percent(0.875) == "88 %"
    assert words.percent(None) == "–"


def test_hidden_characters_become_visible():
    assert words.clean("a\x1b[31mb\x07\x7f") == "a␛[31mb␇␡"
    assert words.clean("gro\u202eup\u200b\u2028\ufeff") == "gro‹U+202E›up‹U+200B›‹U+2028›‹U+FEFF›"
    assert words.clean("\ud800") == "‹U+D800›"
    assert words.clean("line\n\ttab é 你好 🙂") == "line\n\ttab é 你好 🙂"


def test_long_text_is_cut_with_a_word():
    cut = words.clean("x" * 10_000_000, 100)
    assert len(cut) < 200
    assert cut.endswith("… [cut here: 10,000,000 characters in all]")


def test_units_stay_with_their_numbers():
    assert words.unbroken("41.2 ± 0.6 ms at 95 %") == "41.2\u00a0±\u00a00.6\u00a0ms at 95\u00a0%"


def test_an_interval_of_rounding_noise_is_not_spelled_out():
    noise = {"mean": 1924.8120300751887, "ci95": [1924.812030075188, 1924.8120300751896]}
    assert words.with_interval(noise) == "1,924.81 ± <0.01"
    assert words.with_interval({"mean": 100.0, "ci95": [99.99999, 100.00002]}) == "100.00 ± <0.01"
