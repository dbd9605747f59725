"""What stands behind an option's text decides: a reason; or a condition, a word to the user, a value."""

from __future__ import annotations

import pytest

from tests.suites.mcq.test_extract import CITIES, letter_of

YES_NO = ["Yes", "No"]
YES_NO_MAYBE = ["Yes", "No", "Maybe"]
NUMBERS = ["1", "2", "3", "4"]
DRUGS = ["Insulin", "Metformin", "Glipizide", "Diet"]
SHARES = ["0.5", "0.05", "50", "5"]
STEPS = ['print("not found")', "It is not here", "$p$ does not hold", "`x = false`"]
GASES = ["Na", "K", "Ca", "Mg"]
ATOMS = ["C", "N", "O", "H"]
PARTS = ["2π", "π", "π/2", "4π"]
BOUNDS = ["x > 3", "x < 3", "x ≥ 3", "x ≤ 3"]
MOLES = ["6.02 x 10^23", "3.01 x 10^23", "1.20 x 10^24", "5.0 J"]


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        (YES_NO_MAYBE, "No, I am unable to help with that request."),
        (YES_NO_MAYBE, "No, this prompt is incomplete."),
        (YES_NO_MAYBE, "Yes, only if the dose is high."),
        (YES_NO_MAYBE, "Yes. Let's break this down:"),
        (YES_NO, "Yes, thanks!"),
        (YES_NO, "Yes, that is a good question."),
        (NUMBERS, "1. Expand the product."),
        (NUMBERS, "2. Since x is odd, divide."),
        (NUMBERS, "1 - expand"),
        (NUMBERS, "2 is too small."),
        (DRUGS, "Insulin is contraindicated here."),
        (DRUGS, "Insulin is premature."),
        (DRUGS, "Insulin is a possibility."),
        (CITIES, "Paris is mentioned in the passage."),
        (CITIES, "Next is **Rome**."),
        (CITIES, "The question is about **Paris**."),
        (CITIES, "The second best is **Rome**."),
        (CITIES, "We can rule out **Rome**."),
        (CITIES, "So this question is about **Rome**."),
        (CITIES, "So drop **Rome**."),
        (CITIES, "The answer is Paris, Rome, Madrid."),
        (CITIES, "The answer is Paris (or possibly Rome)."),
        (NUMBERS, "\\boxed{2, 3}"),
        (NUMBERS, "\\boxed{2; 5}"),
        (NUMBERS, "\\boxed{2, x}"),
        (NUMBERS, "Answer: 1, 4"),
        (NUMBERS, "The answer is 2, -2."),
        (SHARES, "The probability is 50%."),
        (["$10", "$20", "$30"], "The answer is 20%."),
    ],
)
def test_no_answer(options: list[str], reply: str) -> None:
    assert letter_of(reply, options) is None


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        (YES_NO, "Yes, the results show that the treatment works.", "A"),
        (YES_NO, "No, 91 is not a prime number. It is 7 × 13.", "B"),
        (YES_NO_MAYBE, "Yes, I think.", "A"),
        (DRUGS, "Insulin is the treatment of choice.", "A"),
        (DRUGS, "Insulin, because it works only if nothing else did.", "A"),
        (CITIES, "The answer is Paris, the capital of France.", "B"),
        (["10", "20", "30"], "The share is 20%.", "B"),
        (["10%", "20%", "30%"], "The answer is 20 percent.", "B"),
        (["$10", "$20", "$30"], "The answer is 20 dollars.", "B"),
        (STEPS, 'A. print("not found")', "A"),
        (STEPS, 'B. "It is not here"', "B"),
        (STEPS, "C. $p$ does not hold", "C"),
        (STEPS, "D. `x = false`", "D"),
        (STEPS, '```python\nprint("not found")\n```', "A"),
        (PARTS, "The answer is $2\\pi$.", "A"),
        (PARTS, "$\\boxed{\\frac{\\pi}{2}}$", "C"),
        (BOUNDS, "$x \\geq 3$", "C"),
        (BOUNDS, "x <= 3", "D"),
        (MOLES, "\\boxed{3.01 \\times 10^{23}}", "B"),
        (MOLES, "\\boxed{5.0\\ \\mathrm{J}}", "D"),
        (GASES, "K", "B"),
        (ATOMS, "A. C", "A"),
        (ATOMS, "C", "C"),
        (["E. coli", "S. aureus", "C. difficile"], "S. aureus (option B)", "B"),
        (CITIES, "Since it is in France, B makes the most sense.", "B"),
        (CITIES, "Between A and B, B is more likely.", "B"),
        (CITIES, "The correct answer is not A (Berlin) but B (Paris).", "B"),
        (CITIES, "The correct answer is the fourth option.", "D"),
        (CITIES, "答えは B です。", "B"),
        (CITIES, "答えは A です。", "A"),
        (CITIES, "Daher ist Antwort B richtig.", "B"),
        (["12", "15", "18"], "If we start with 24 and take away 9 we get 15. Option B.", "B"),
        (CITIES, "Berlin is ruled out. That leaves Paris.", "B"),
        (CITIES, "1. Berlin ❌\n2. Paris ✅\n3. Rome ❌\n4. Madrid ❌", "B"),
        (
            CITIES,
            "A) Berlin: This is in Germany.\nB) Paris: This is the correct answer.\n"
            "C) Rome: This is in Italy.\nD) Madrid: This is in Spain.",
            "B",
        ),
        (DRUGS, "Metformin is safe here. It is most likely caused by the **insulin**.", "A"),
        (CITIES, "**Conclusion:** D is liable for battery. The answer is A.", "A"),
    ],
)
def test_an_answer(options: list[str], reply: str, letter: str) -> None:
    assert letter_of(reply, options) == letter
