"""The ladder against realistic replies with known letters, and against what it must never do."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.suites.mcq.letters import letter_of
from tiltyard.suites.mcq.extract import extract

REPLIES = Path(__file__).parent / "replies.jsonl"


def replies() -> list[tuple[str, list[str], str, str | None]]:
    """(kind, options, reply, letter) of every line."""
    sets: dict[str, list[str]] = {}
    found = []
    for line in REPLIES.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "options" in entry:
            sets[entry["set"]] = entry["options"]
        else:
            found.append((entry["kind"], sets[entry["set"]], entry["reply"], entry["letter"]))
    return found


@pytest.mark.slow
def test_realistic_replies() -> None:
    known = replies()
    kinds = Counter(kind for kind, *_ in known)
    assert len(known) >= 4_950
    assert len(kinds) >= 20
    wrong = [
        (r, got, want) for _, o, r, want in known if (got := letter_of(r, o)) is not None and got != want
    ]
    missed = [(r, want) for _, o, r, want in known if want is not None and letter_of(r, o) is None]
    assert not wrong
    assert len(missed) <= 0.025 * sum(want is not None for *_, want in known), missed


CITIES = ["Berlin", "Paris", "Rome", "Madrid"]


@pytest.mark.parametrize(
    "reply",
    [
        "Berlin is in Germany. (A)\nParis is in France. (B)\nRome is in Italy. (C)\nMadrid is in Spain. (D)",
        "Which one is wrong? B.",
        "Let me exclude the weakest. B.",
        "The answer I initially chose is B, but Paris is the capital of France.",
        "The option that many choose is A. Still, it was never one.",
        "The answer someone else gave is B.",
        "The option I can rule out is D. Then there is more to think of.",
        "The option I am least sure about is B.",
        "The answer given in the question is B.",
    ],
)
def test_a_letter_that_is_told_of_otherwise_is_no_answer(reply: str) -> None:
    assert letter_of(reply, CITIES) is None


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("This is a difficult question", None),
        ("the answer is A only if it rains. So the answer is B", "B"),
        ("The answer is Ambiguous", None),
        ("A\n\nB", None),
        ("The answer is not A.", None),
        ("Answer: F", None),
        ("<think>the answer is C</think>\nAnswer: B", "B"),
        ("<think>so the answer is C", None),
        ("<think>" + "thinking about it " * 50 + "</think>\n\nParis", "B"),
    ],
)
def test_what_is_a_letter_and_what_is_not(reply: str, letter: str | None) -> None:
    assert letter_of(reply, CITIES) == letter


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        ("Answer: B", "labelled"),
        ("The correct answer is B.", "stated"),
        ("\\boxed{B}", "boxed"),
        ("I choose B.", "chosen"),
        ("B is correct.", "declared"),
        ("(B)", "letter"),
        ("Q1: B", "letter"),
        ("I'd say B, I think.", "chosen"),
        ("B. Paris", "leading"),
        ("A. Berlin ❌\nB. Paris ✅\nC. Rome ❌\nD. Madrid ❌", "marked"),
        ("Paris", "option_text"),
    ],
)
def test_each_rule_has_its_name(reply: str, rule: str) -> None:
    found = extract(reply, CITIES)
    assert (found.option, found.rule) == (1, rule)


def test_a_letter_that_is_taken_back_is_told_from_none() -> None:
    for reply in (
        "The answer is A. That is wrong.",
        "Answer: A\n\n**B**",
        "Answer: A\n\nOops, I made a mistake.",
    ):
        found = extract(reply, CITIES)
        assert (found.option, found.rule) == (None, "contradiction")
    found = extract("The answer is A. No wait, B.", CITIES)
    assert (found.option, found.rule, found.at) == (1, "corrected", 26)


@pytest.mark.parametrize(
    "reply",
    [
        "The correct answer is A for Question 3.",
        "The answer to the previous question is A.",
        "ChatGPT said: the answer is A.",
        "His guess: A",
        "Answer: A ... or rather not.",
        "The answer is A. But A is wrong.",
        "Answer: Berlin. But that does not fit.",
    ],
)
def test_another_questions_answer_somebody_elses_and_one_taken_back_are_none(reply: str) -> None:
    assert letter_of(reply, CITIES) is None


def test_channels_whose_markers_were_lost_are_told_from_the_answer() -> None:
    reply = "analysisIs it A? The answer is A? No, Paris.assistantfinalB. Paris"
    found = extract(reply, CITIES)
    assert (found.option, reply[found.at :]) == (1, "B. Paris")
    assert letter_of("analysisWe need the capital. The answer is A", CITIES) is None


def test_what_runs_on_into_another_turn_is_read_up_to_there() -> None:
    reply = "Answer: B<|im_end|>\n<|im_start|>user\nAnd Spain?<|im_end|>\n<|im_start|>assistant\nAnswer: D"
    found = extract(reply, CITIES)
    assert (found.option, found.rule, found.at) == (1, "labelled", 8)
    nothing = "I do not know.\n\nUser: And Spain?\nAssistant: Answer: D"
    assert extract(nothing, CITIES).option is None
    own = "The answer is B.\nA. Berlin is wrong.\nB. Paris is right.\n\nAnswer: B"
    assert extract(own, CITIES).at == len(own) - 1


@pytest.mark.parametrize(
    "heading",
    [
        "### Question",
        "## Problem",
        "**Question**",
        "# Exercise",
        "Question",
        "**Next question**",
        "## Task ##",
    ],
)
def test_a_heading_without_number_or_colon_begins_another_question(heading: str) -> None:
    for answer in ("Answer: B", "B. Paris", "(B)", "Paris", "It is Paris, so B."):
        for rest in ("Italy?\n\nC. Rome", "Italy?\n\n### Answer\nC", "Italy?\nThe answer is C."):
            assert letter_of(f"{answer}\n\n{heading}\n{rest}", CITIES) == "B"


def test_a_question_that_is_repeated_under_a_heading_is_answered_below_it() -> None:
    for heading in ("## Question", "**Question**"):
        for before in ("", "Let us see.\n\n"):
            assert letter_of(f"{before}{heading}\nThe capital?\n\n## Answer\nB. Paris", CITIES) == "B"


@pytest.mark.parametrize("user", ["### User", "**Human**", "## Instruction"])
def test_a_turn_may_have_a_heading_without_a_colon(user: str) -> None:
    assert letter_of(f"Answer: B\n\n{user}\nAnd Italy?\n\nAnswer: C", CITIES) == "B"


def test_a_later_answer_counts_only_where_the_first_is_corrected() -> None:
    for reply in ("Answer: A\nAnswer: B", "The answer is A. The answer is B.", "Answer: A\n\n\\boxed{B}"):
        assert extract(reply, CITIES).rule == "contradiction"
    for reply in ("Answer: A\nWait, no.\nAnswer: B", "Answer: A\nFinal answer: B"):
        assert letter_of(reply, CITIES) == "B"


VITAMINS = ["Vitamin D", "Vitamin A", "Vitamin C", "Vitamin K"]


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("Vitamin C is the correct answer.", "C"),
        ("Vitamin D is correct.", "A"),
        ("The answer is vitamin A.", "B"),
        ("Hepatitis B is correct.", None),
        ("Answer: Vitamin A (C)", None),
        ("Answer: Vitamin A (B)", "B"),
    ],
)
def test_letters_inside_words_of_an_option_are_not_taken_for_answers(reply: str, letter: str | None) -> None:
    assert letter_of(reply, VITAMINS) == letter


def test_the_place_of_the_letter_is_known() -> None:
    for reply in (
        "Answer: **B**",
        "I think the answer is (B).",
        "  $\\boxed{\\text{B}}$",
        "Ａｎｓｗｅｒ: Ｂ",
    ):
        found = extract(reply, CITIES)
        assert found.option == 1
        assert reply[found.at] in "BＢ"


HOSTILE = (
    "answer ",
    "(",
    "A, ",
    "\\boxed{",
    "so ",
    "the answer ",
    "\n",
    "<think>",
    "Answer: B? ",
    "答案",
    "Q: x\n",
    "A) x\n",
    "**",
    "a ",
    "A ",
    "wait ",
    "wait, ",
    "no, ",
    "hmm",
    "people ",
    "students say ",
    "if it were ",
    "wrong ",
    "the answer is A. ",
    "Wrong:\nA\n",
    "Answers: A) x ",
    "not A, but ",
    "that is ",
    "i mean ",
    "错误答案",
    "如果",
    "人说",
    "\n---\n",
    "---\nwhat is it?\n",
    "\nUser: ",
    "user\n",
    "1. x?\n",
    "that is ",
    "A. x\nB. y\n",
    "<|x|>",
    "only ",
    "A ✅\n",
    "A: No\n",
    "i can then also ",
    "answer is A in ",
    "that is that is that is it the x answer is A. ",
    "the answer is A for question 2 ",
    "for question 2 ",
    "he said: ",
    "the teacher says ",
    "That makes A ",
    "so Berlin. ",
    "analysisA",
    "assistantfinal",
    "A. ....",
    "Answer: A -- ",
    "Answer: A. No. ",
    "not ",
    "another question: ",
    "<p>",
    "Antwort A ",
    "Ответ ",
    "Ответ: А ",
    '{"answer": "A", ',
    "Answer: Berlin (",
    "The answer is A. It is Paris ",
    "Answer: A. the answer ",
    "Answer: A. B, ",
    "Answer: A. (B ",
    "B is much ",
    "A (x) ",
    "(A) ",
    "[ or ",
    "changed my x to ",
    "B是",
    "\nB. x",
    "in x, ",
    "my x answer is ",
    " - A it is ",
    "I must correct the x y ",
    "Answer: A. Paris is ",
    "*A*",
    "**B** ",
    "\\boxed{A} ",
    "\\frac{1}{",
    "\\sqrt ",
    "x^ ",
    "which is A, ",
    "So is is ",
    "not x but y ",
    "**A** **B** ",
    "Answer: 2, ",
    "The answer is Berlin, Rome ",
    "Between A and B, ",
    "1. Paris ✅\n",
    "9 dollars ",
    "\\frac \\pi ",
    "I choose ",
    "So **Paris** ",
    "Since A, B and C are x, ",
    "The x y z makes ",
    "- x (A): y\n",
    "not x (A), ",
    'question "x? ',
    ", but x is ",
    "Berlin (A) is ",
    "A ☐ ",
    "<think>a</think>",
    "-\n",
    "no, ",
)


@pytest.mark.slow
@pytest.mark.parametrize("unit", HOSTILE)
def test_long_hostile_replies_are_read_in_bounded_time(unit: str) -> None:
    """Each would take minutes if any rule looked at all of it again from every place."""
    assert extract(unit * (100_000 // len(unit)), CITIES).option in (None, 0)
    extract("Answer: A. " + unit * (16_000 // len(unit)) + "\nAnswer: B", CITIES)


@pytest.mark.parametrize(
    "unit", ["*A*", "**B** ", "not **B** ", "\\boxed{A} ", "Answer: A. ", "which is A, "]
)
def test_what_costs_for_each_letter_is_asked_a_bounded_number_of_times(unit: str) -> None:
    asked = Counter[str]()
    sys.setprofile(lambda frame, event, _: asked.update([frame.f_code.co_name] if event == "call" else []))
    try:
        extract(unit * (16_000 // len(unit)), CITIES)
    finally:
        sys.setprofile(None)
    assert asked["extract"] == 1
    assert asked["doubted"] <= 500


def test_the_end_of_a_very_long_reply_is_what_counts() -> None:
    reply = (
        "The answer is A, I first believed.\n" + "So let us think about it again. " * 2_000 + "\nAnswer: B"
    )
    found = extract(reply, CITIES)
    assert (found.option, reply[found.at]) == (1, "B")
    early = "Answer: C\n" + "That is all there is to say about it. " * 2_000
    assert extract(early, CITIES).option == 2


ALIKE = [
    ("O,AB,B,A", "Answer: A", "A"),
    ("B,O,AB,A", "**Answer:** D", "D"),
    ("O,A,B,AB", "The answer is AB.", "D"),
    ("vitamin A,vitamin B,vitamin C,vitamin D", "Answer: vitamin A", "A"),
    ("1|15|150|1500", "1,500", "D"),
    ("1|15|150|1500", "Answer: 1,500", "D"),
    ("1|15|150|1500", "\\boxed{1,500}", "D"),
    ("10|100|1,000|1000000", "The answer is 1,000,000.", "D"),
    ("1.5,5,0.5,15", ".5", "C"),
    ("1.5,5,0.5,15", "Answer: .5", "C"),
    ("1.5,5,0.5,15", "\\boxed{.5}", "C"),
    ("2,2 + 3i,2-3i,3i", "Answer: 2 - 3i", "C"),
    ("x,x - 1,x-2,2x", "Answer: x - 2", "C"),
    ("3,x,3-x,0", "Answer: 3 - x", "C"),
    ("TT,Tt,tt,T", "Answer: tt", "C"),
    ("TT,Tt,tt,T", "B. Tt", "B"),
    ("Co,CO,C,O", "The answer is CO.", "B"),
    ("mW,MW,kW,W", "The answer is MW", "B"),
    ("5!,5,25,10", "Answer: 5", "B"),
    ("5!,5,25,10", "Answer: 5!", "A"),
    ("<p>,<b>,<i>,<a>", "Answer: <b>", "B"),
    ("<p>,<b>,<i>,<a>", "<a>", "D"),
    ("<p>,<b>,<i>,<a>", "Answer: B", "B"),
    ("Python,C++,Ruby,Go", "C++", "B"),
    ("Python,C++,Ruby,Go", "**C++**", "B"),
    ("Python,C#,Ruby,Go", "Answer: C#", "B"),
    ("Python,Java,Ruby,Go", "Answer: C++", None),
    ("a*b,ab,a**b,_ab_", "Answer: a**b", "C"),
    ("a*b,ab,a**b,_ab_", "Answer: _ab_", "D"),
    ("Yes,No,Maybe", "No, I cannot answer that.", None),
    ("Paris,Rome,Berlin,Madrid", "Answer: C. Rome", None),
    ("Paris,Rome,Berlin,Madrid", "Answer: B. Rome", "B"),
    ("Paris,Rome,Berlin,Madrid", "Answer: Rome, the capital of Italy", "B"),
    ("Paris,Rome,Berlin,Madrid", "Answer: Rome - the eternal city", "B"),
]


@pytest.mark.parametrize(("options", "reply", "letter"), ALIKE)
def test_options_that_are_alike_or_letters_themselves(options: str, reply: str, letter: str | None) -> None:
    assert letter_of(reply, options.split("|" if "|" in options else ",")) == letter
