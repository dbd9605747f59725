"""A sentence that begins with an option's text answers, whatever it says of it, unless it puts it aside."""

from __future__ import annotations

import pytest

from tests.suites.mcq.test_extract import CITIES, letter_of

YES_NO, TRUE_FALSE = ["Yes", "No"], ["True", "False"]
PLANETS = ["Mercury", "Mars", "Jupiter", "Neptune"]
DRUGS = ["Insulin", "Metformin", "Glipizide", "Diet"]
AIR = ["Oxygen", "Nitrogen", "Carbon dioxide", "Helium"]
SUMS = ["12", "14", "16", "18"]


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        (PLANETS, "Mercury is closest to the Sun.", "A"),
        (["Nile", "Amazon", "Danube"], "The Nile is the longest river in the world.", "A"),
        (
            CITIES,
            "A. Berlin ❌\nB. Paris ✅\nC. Rome ❌\nD. Madrid ❌\n\nParis is right; it is not in Italy.",
            "B",
        ),
        (YES_NO, "Yes, you need a permit.", "A"),
        (YES_NO, "Yes, we can conclude that x > 0.", "A"),
        (PLANETS, "Jupiter is by far the largest planet.", "C"),
        (PLANETS, "Jupiter is larger than all other planets combined.", "C"),
        (PLANETS, "Mars is often called the Red Planet.", "B"),
        (AIR, "Oxygen is released during photosynthesis.", "A"),
        (CITIES, "Paris is located in France.", "B"),
        (CITIES, "Paris, of course.", "B"),
        (PLANETS, "Mercury, which is only 58 million km from the Sun.", "A"),
        (PLANETS, "Mercury – it orbits the Sun in only 88 days.", "A"),
        (DRUGS, "Metformin is preferred.", "B"),
        (DRUGS, "Insulin is recommended.", "A"),
        (DRUGS, "Insulin is safest in pregnancy.", "A"),
        (YES_NO, "Yes, you can.", "A"),
        (YES_NO, "No, you should not take it.", "B"),
        (YES_NO, "Yes, we reject the null hypothesis.", "A"),
        (YES_NO, "No, it is impossible.", "B"),
        (YES_NO, "No, that is impossible because energy is conserved.", "B"),
        (YES_NO, "Yes, it is possible.", "A"),
        (YES_NO, "No, only plants do.", "B"),
        (TRUE_FALSE, "False: the statement holds only when n is even.", "B"),
        (YES_NO, "Yes, the passage says that cats help.", "A"),
        (["Lyon", "Paris", "Rome", "Madrid"], "The answer is Paris, France.", "B"),
        (CITIES, "**Answer: Paris, France**", "B"),
        (["Springfield", "Boston"], "Answer: Springfield, Illinois", "A"),
        (CITIES, "\\boxed{\\text{Paris}, \\text{B}}", "B"),
        (SUMS, "The answer is 14, 7 times 2.", "B"),
        (SUMS, "The answer is 14, 2 times 7.", "B"),
        (DRUGS, "Between B and C, B is better.\n\nA", "A"),
        (DRUGS, "Between B and C, B is better. Still, I would go with A.", "A"),
        (DRUGS, "Between B and C, B is better.\nA. Insulin", "A"),
    ],
)
def test_an_answer(options: list[str], reply: str, letter: str) -> None:
    assert letter_of(reply, options) == letter


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        (DRUGS, "Of B and C, B is better. Yet the drug of choice is **Insulin**."),
        (DRUGS, "Between B and C, B is better. Best of all is Insulin (A)."),
        (
            DRUGS,
            "Between B and C, B is better.\n\nIn pregnancy neither is used: the drug of choice is insulin.",
        ),
        (CITIES, "Paris. Wait, the question asks for the capital of Germany."),
        (CITIES, "Paris. But the question asks about Germany, so it must be"),
        (CITIES, "Paris is in France, so it lies west of us."),
        (CITIES, "Paris is widely believed to be the capital."),
        (CITIES, "The answer is Paris, unless you count the suburbs."),
        (DRUGS, "Insulin. Oh wait, the patient has type 2 diabetes, so"),
        (DRUGS, "Insulin was already tried in this patient."),
        (DRUGS, "Insulin is a hormone made by the pancreas. It lowers blood glucose by"),
        (DRUGS, "Insulin is a last resort."),
        (DRUGS, "Insulin is weaker."),
        (DRUGS, "What we want to avoid is insulin."),
        (AIR, "The answer is carbon dioxide, methane and ozone."),
        (SUMS, "Let x = 12."),
        (SUMS, "So 2x = 14."),
        (SUMS, "First, the sum of both is 14."),
        (YES_NO, "Yes, I would say it is hard to tell."),
        (SUMS, "Wrong options: if you forget the factor you get 14. Option B."),
        (SUMS, "If it is odd we get 14. Option B. If it is even we get 16. Option C."),
        (SUMS, "If you forget to carry the one you get 14. Option B."),
        (CITIES, "1. Berlin ❌\n2. Paris ✅\n3. Rome ❌\n4. Madrid ❌\nSo the answer is not Paris."),
        (CITIES, "A. Berlin ❌\nB. Paris ✅\nC. Rome ❌\nD. Madrid ❌\nSo the answer is not Paris."),
        (CITIES, "The answer is Paris, Rome."),
        (CITIES, "The answer is Paris, and Rome."),
        (CITIES, "The answer is Paris, Rome, Madrid."),
        (DRUGS, "Insulin is used, but only later."),
        (PLANETS, "Mercury is far away."),
        (DRUGS, "Insulin is too strong."),
        (DRUGS, "Insulin is second-line."),
        (DRUGS, "Insulin – it is contraindicated here."),
        (DRUGS, "Insulin, only if all else fails."),
        (DRUGS, "Insulin is reserved for severe cases."),
        (DRUGS, "Insulin, ruled out."),
        (DRUGS, "Insulin is overused."),
        (DRUGS, "Insulin is unrelated."),
        (DRUGS, "Insulin is irrelevant here."),
        (DRUGS, "Insulin is tempting."),
        (DRUGS, "Insulin is dangerous."),
        (DRUGS, "Insulin is unsafe."),
        (DRUGS, "Insulin is sometimes used."),
        (DRUGS, "Insulin is a hormone made by the pancreas. Next, consider the others."),
        (YES_NO, "Yes, sometimes."),
        (YES_NO, "Yes, only if it rains."),
        (YES_NO, "Yes, we can work through this."),
        (YES_NO, "Yes, you need to give more context."),
        (YES_NO, "Yes, if x > 0."),
        (YES_NO, "No, I cannot see the picture."),
        (YES_NO, "Yes, it depends."),
        (YES_NO, "Yes, I can help with that."),
        (YES_NO, "No, you did not give me the question."),
    ],
)
def test_no_answer(options: list[str], reply: str) -> None:
    assert letter_of(reply, options) is None


DEGREES = ["35", "36", "37", "38"]
SPEEDS = ["5 m/s", "10 m/s", "15 m/s", "20 m/s"]
ROOTS = ["x = 10", "x = 15", "x = 20", "x = 25"]


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        (DEGREES, "37 C", "C"),
        (DEGREES, "37 °C", "C"),
        (DEGREES, "37 D", None),
        (DEGREES, "37 hours", "C"),
        (DEGREES, "37 million", None),
        (DEGREES, "37 or 38", None),
        (SPEEDS, "15", "C"),
        (SPEEDS, "v = 15", "C"),
        (SPEEDS, "15 km/h", None),
        (SPEEDS, "15 or 20", None),
        (SPEEDS, "-15", None),
        (SPEEDS, "12", None),
        (["1 kg", "2 kg", "3 kg", "4 kg"], "3", None),
        (["2 kg", "1 kg", "4 kg", "3 kg"], "3", None),
        (["5", "50", "500", "7"], "50 km", None),
        (["5", "50", "500", "7"], "7 km", "D"),
        (["5 m", "15 m", "15 km", "20 m"], "15", None),
        (ROOTS, "15", "B"),
        (ROOTS, "x=15", "B"),
        (ROOTS, "y = 15", None),
        (["10%", "20%", "0.2", "0.1"], "20", None),
    ],
)
def test_a_number_alone_is_the_option_that_has_it(options: list[str], reply: str, letter: str | None) -> None:
    assert letter_of(reply, options) == letter


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        (CITIES, "Definitely Paris.", "B"),
        (CITIES, "Without a doubt, Paris.", "B"),
        (CITIES, "Certainly, Paris!", "B"),
        (CITIES, "Definitely not Paris.", None),
        (CITIES, "Definitely Paris or Rome.", None),
        (["Likely true", "True", "False"], "Likely true.", "A"),
        (CITIES, "It's Paris, not Berlin, since the seat of the French government is there.", "B"),
        (CITIES, "It is Paris and not Rome because that is in Italy.", "B"),
        (CITIES, "It's Paris, not Berlin, since Rome is older.", None),
        (CITIES, "It's Paris, not Berlin, as some say.", None),
        (CITIES, "Let's consider Paris, not Berlin, since it is larger.", None),
    ],
)
def test_an_option_with_words_that_only_say_how_sure_or_why(
    options: list[str], reply: str, letter: str | None
) -> None:
    assert letter_of(reply, options) == letter
