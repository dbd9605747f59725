"""Reasoning in the answer's text, of every family: taken off and kept, and the answer's words left alone."""

import pytest

from tests.servers.test_chat import END, piece, read, words
from tiltyard.servers.thinking import Split, split_tags, without_thoughts

FINAL = "<|end|><|start|>assistant<|channel|>final<|message|>"
FAMILIES = {
    "think": ("<think>", "</think>"),
    "thinking": ("<thinking>\n", "\n</thinking>\n"),
    "thought": ("<thought>", "</thought>"),
    "analysis": ("<analysis>", "</analysis>\n"),
    "scratchpad": ("<scratchpad>\n", "\n</scratchpad>\n\n"),
    "reasoning": ("<reasoning>", "</reasoning>"),
    "seed": ("<seed:think>", "</seed:think>"),
    "mistral": ("[THINK]", "[/THINK]"),
    "kimi": ("◁think▷", "◁/think▷"),
    "cohere": ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    "open-thoughts": ("<|begin_of_thought|>\n", "<|end_of_thought|>\n\n<|begin_of_solution|>"),
    "harmony": ("<|channel|>analysis<|message|>", FINAL),
    "harmony, from the start": ("<|start|>assistant<|channel|>analysis<|message|>", FINAL),
    "harmony, two of them": ("<|channel|>commentary<|message|>x<|end|><|channel|>analysis<|message|>", FINAL),
    "harmony, in JSON": ("<|channel|>analysis<|message|>", "<|channel|>final <|constrain|>json<|message|>"),
    "harmony, bare": ("analysis", "assistantfinal"),
    "gemma": ("<|channel>thought\n", "<channel|>"),
    "medgemma": ("<unused94>thought\n", "<unused95>"),
}
ENDS = {
    "cohere": "<|END_RESPONSE|>",
    "open-thoughts": "\n<|end_of_solution|>",
    "harmony": "<|return|>",
    "harmony, in JSON": "<|end|>",
}
THOUGHT, ANSWER = "We need one name. Is it `B`?", '{"name": "B <i>"}'


def split_up(*texts: str) -> Split | None:
    return split_tags("".join(texts), "c" * len(texts), texts)


@pytest.mark.parametrize("family", FAMILIES)
def test_thoughts_of_each_family_are_kept_apart(family):
    opening, closing = FAMILIES[family]
    pieces = [opening, THOUGHT, closing, ANSWER, *filter(None, [ENDS.get(family)])]
    exchange = read([*words(*pieces), END])
    assert (exchange.text, exchange.reasoning_source) == (ANSWER, "tags")
    assert exchange.reasoning.endswith(THOUGHT)
    assert exchange.events.kinds.startswith("orrrc")


@pytest.mark.parametrize("family", FAMILIES)
def test_thoughts_without_an_end_are_no_answer(family):
    exchange = read([*words(FAMILIES[family][0], THOUGHT), END])
    assert exchange.text == ""
    assert exchange.reasoning.endswith(THOUGHT)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "harmony, bare"])
def test_thoughts_whose_beginning_stood_in_the_prompt(family):
    closing = FAMILIES[family][1].rstrip("\n") + "\n"
    split = split_up(THOUGHT, closing, ANSWER)
    assert split == (ANSWER, THOUGHT, "rrc")


@pytest.mark.parametrize(
    "text",
    [
        "`[THINK]` begins the thoughts.",
        "The closing tag is `◁/think▷`: no more.",
        "```\n<|START_THINKING|>x<|END_THINKING|>\n```\nThat is how it looks.",
        '{"tag": "[/THINK]", "n": 1}',
        '{"tag": "<|channel|>final<|message|>"}',
        "It wrote <analysis>x</analysis> there.",
        "analysis of the data shows B",
        "Analysis: B",
        "[THINKING] is no marker",
        "<analysis-report>B</analysis-report>",
        "<analysis> is not HTML.\n\nAnswer: B",
        "B\n\n</analysis>",
        "<analysis>A is wrong. The answer is B.</analysis>",
        "analysis(x) = 3",
        "analysisResult = 4",
        "commentary(The)",
        "The word assistantfinal appears",
    ],
)
def test_markers_that_an_answer_speaks_of_are_its_words(text):
    assert split_up(text) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<|channel|>final<|message|>B<|return|>", "B"),
        ("<|START_RESPONSE|>B<|END_RESPONSE|>", "B"),
        ("<|begin_of_solution|>\nB\n<|end_of_solution|>", "B"),
    ],
)
def test_an_answer_in_its_wrapper_without_thoughts(text, answer):
    assert split_up(text) == (answer, "", "c")


def test_a_call_among_channels_stays_in_the_text():
    call = (
        '<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"x": 1}<|call|>'
    )
    split = split_up("<|channel|>analysis<|message|>", "hm<|end|>", call)
    assert split == (call, "hm", "rrc")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Sure. <think>Is it A?</think>B", "Sure. B"),
        ("So it is A?</thinking>B", "B"),
        ("B\n<think>or A", "B\n"),
        ("Use `<think>` first. B", "Use `<think>` first. B"),
        ("Use `</think>` last. B", "Use `</think>` last. B"),
        ('Here: {"tag": "</think>"}', 'Here: {"tag": "</think>"}'),
        ("Here:\n```\n<think>\n```\nB", "Here:\n```\n<think>\n```\nB"),
        ("[THINK]a[/THINK][THINK]b[/THINK]B", "B"),
        ("plain", "plain"),
    ],
)
def test_thoughts_anywhere_in_a_reply(text, left):
    assert without_thoughts(text) == left


@pytest.mark.slow
def test_many_markers_take_no_longer_than_many_words():
    for unit in (
        "<think>",
        "</think>",
        "`<think>` ",
        "`</think>`",
        "```",
        "[THINK]x[/THINK]",
        "<|channel|>",
        "◁think▷ ",
        "x <think> ",
        "<think>a</think>",
        "<analysis>x</analysis>",
        "\n</think>x",
    ):
        without_thoughts(unit * 200_000)
        split_up(unit * 200_000)


def test_mistrals_content_parts_are_told_apart():
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    both = [*thinking, {"type": "text", "text": "yes"}]
    streamed = read([piece({"content": thinking}), piece({"content": "yes"}), END])
    assert (streamed.reasoning, streamed.text, streamed.events.kinds) == ("hm", "yes", "rco")
    at_once = read([piece({"content": both}), END])
    assert (at_once.reasoning, at_once.text, at_once.events.kinds) == ("hm", "yes", "rco")
    assert at_once.reasoning_source == "thinking"
