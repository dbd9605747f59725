"""Letters that are names in a formula or of a statement are no answers, and options in any notation are."""

from __future__ import annotations

import pytest

from tests.suites.mcq.test_extract import letter_of

WAYS = ["10", "60", "90", "120"]
PAIRS = ["A = 3, B = 2", "A = 2, B = 3", "A = 1, B = 4", "A = 4, B = 1"]
GROWTH = ["O(n)", "O(n log n)", "O(n^2)", "O(log n)"]
MEANS = ["E(X) = 2", "E(X) = 3", "E(X) = 4", "E(X) = 5"]
REASONED = [
    "Both A and R are true and R is the correct explanation of A",
    "Both A and R are true but R is not the correct explanation of A",
    "A is true but R is false",
    "A is false but R is true",
]


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        (WAYS, "The answer is C(10,3) = 120."),
        (WAYS, "\\boxed{C(10,3) = 120}"),
        (WAYS, "So it is C(10, 3) = 120."),
        (WAYS, "This is C(10, 3), which is 120."),
        (WAYS, "I choose C(10,3) = 120."),
        (WAYS, "So the answer is A × B = 120."),
        (WAYS, "The answer is B + 30 = 120"),
        (["5", "7", "10", "120"], "The answer is C(10,3) = 120."),
        (PAIRS, "So the answer is A = 2 and B = 3."),
    ],
)
def test_a_name_in_a_formula_is_no_letter(options: list[str], reply: str) -> None:
    assert letter_of(reply, options) in (None, "B" if options is PAIRS else "D")


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        (WAYS, "Answer: D = 120", "D"),
        (WAYS, "Answer: D (120)", "D"),
        (WAYS, "Answer: D(120)", "D"),
        (WAYS, "So C(10,3) = 120, which is D.", "D"),
        (PAIRS, "Answer: B = 3", None),
        (PAIRS, "Answer: A = 2, B = 3", "B"),
    ],
)
def test_a_letter_that_is_set_equal_to_its_option_is_one(
    options: list[str], reply: str, letter: str | None
) -> None:
    assert letter_of(reply, options) == letter


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("A is correct. R is not correct.", None),
        ("Statement A is correct. Statement R is incorrect.", None),
        ("A is incorrect, R is correct. So D.", "D"),
        ("Option A is correct.", "A"),
        ("Answer: C", "C"),
    ],
)
def test_a_statement_that_options_speak_of_is_no_option(reply: str, letter: str | None) -> None:
    assert letter_of(reply, REASONED) == letter


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        (GROWTH, "Answer: C) O(n^2)", "C"),
        (GROWTH, "The answer is **C) O(n^2)**.", "C"),
        (GROWTH, "\\boxed{A) O(n)}", "A"),
        (GROWTH, "It is O(n).", "A"),
        (MEANS, "Answer: B) E(X) = 3", "B"),
        (MEANS, "The answer is (B) E(X) = 3.", "B"),
        (["I only", "II only", "I and III only", "All"], "So I and III only, which is C.", "C"),
        (["A, O", "B, O", "AB, O", "O, O"], "Answer: B o C", None),
        (["A, O", "B, O", "AB, O", "O, O"], "Respuesta: B y C", None),
    ],
)
def test_a_text_behind_a_letter_is_no_second_letter(
    options: list[str], reply: str, letter: str | None
) -> None:
    assert letter_of(reply, options) == letter


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        ("1/12|1/6|1/9|5/36", "\\boxed{\\frac{1}{6}}", "B"),
        ("1/12|1/6|1/9|5/36", "The answer is $\\dfrac{1}{6}$.", "B"),
        ("1/12|1/6|1/9|5/36", "So the probability is $1-\\frac56=\\frac16$.", "B"),
        ("\\frac{1}{2}|\\frac{1}{3}|2", "Answer: 1/3", "B"),
        ("x^2|3x^2|3x|x^4/4", "3x²", "B"),
        ("x^2|3x^{2}|3x|x^4/4", "Answer: 3x^2", "B"),
        ("10^-11 eV|10^-8 eV|10^-4 eV", "\\(10^{-4}\\) eV", "C"),
        ("H2O|CO2|O2", "CO₂", "B"),
        ("H2O|CO2|O2", "\\boxed{\\text{CO}_2}", "B"),
        ("H₂O|CO₂|O₂", "The gas is CO2.", "B"),
        ("-3|3|0|9", "Answer: −3", "A"),
        ("-3|3|0|9", "The value is −3.", "A"),
        ("10%|20%|25%|50%", "\\boxed{25\\%}", "C"),
        ("$5|$10|$50|$500", "Answer: \\$50", "C"),
        ("sqrt(2)|2|sqrt(3)|4", "\\boxed{\\sqrt{2}}", "A"),
        ("sqrt(2)|2|sqrt(3)|4", "The answer is √2.", "A"),
        ("sqrt(2)|2|sqrt(3)|4", "The diagonal is √2 because d² = 2", None),
        ("1,000|10,000|100,000", "\\boxed{10{,}000}", "B"),
        ("O(n)|O(n log n)|O(n^2)|O(log n)", "C. O(n²)", "C"),
        ("O(n)|O(n log n)|O(n^2)|O(log n)", "Worst case: O(n²). Average case: O(n log n).", None),
    ],
)
def test_an_option_is_known_in_another_notation(options: str, reply: str, letter: str | None) -> None:
    assert letter_of(reply, options.split("|")) == letter


SETS = ["A ∪ B", "A ∩ B", "A \\setminus B", "A^c"]
LOGIC = ["A → B", "B → A", "¬A", "A ∧ B"]


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        (SETS, "\\boxed{A \\cap B}", "B"),
        (SETS, "A ∪ B", "A"),
        (SETS, "The answer is $A \\cup B$.", "A"),
        (SETS, "So it is A \\cup B.", "A"),
        (SETS, "Answer: B) A ∩ B", "B"),
        (SETS, "\\boxed{D}", "D"),
        (SETS, "\\boxed{A^c}", "D"),
        (LOGIC, "\\boxed{A \\land B}", "D"),
        (LOGIC, "\\boxed{\\neg A}", "C"),
        (LOGIC, "\\boxed{A \\rightarrow B}", "A"),
        (LOGIC, "\\boxed{B \\to A}", "B"),
        (LOGIC, "Answer: ¬A", "C"),
        (LOGIC, "Answer: C (¬A)", "C"),
        (LOGIC, "B", "B"),
    ],
)
def test_a_formula_of_sets_or_logic_is_the_option_that_it_is(
    options: list[str], reply: str, letter: str
) -> None:
    assert letter_of(reply, options) == letter


@pytest.mark.parametrize(
    "formula",
    [
        "A \\triangle B",
        "A ⊂ B",
        "A \\subseteq B",
        "A ∨ B",
        "A \\lor B",
        "A \\Rightarrow B",
        "A ⇒ B",
        "A \\setminus C",
        "¬B",
        "\\lnot B",
        "A ⊕ B",
        "B | A",
    ],
)
def test_a_formula_that_no_option_is_holds_no_letter(formula: str) -> None:
    for around in ("\\boxed{{{}}}", "Answer: {}", "The answer is {}.", "I choose {}.", "{}", "**{}**"):
        for options in (SETS, ["Berlin", "Paris", "Rome", "Madrid"]):
            assert letter_of(around.format(formula), options) is None


def test_a_letter_behind_a_sign_of_sets_or_logic_is_not_called_right() -> None:
    for formula in ("A ∪ C", "A \\cap C", "¬C", "A ∧ C"):
        assert letter_of(f"{formula} is the right answer.", SETS) is None
