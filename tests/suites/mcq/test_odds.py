"""Odds, shares and "often" in the reason are no doubt of the answer that follows from it."""

from __future__ import annotations

import pytest

from tests.suites.mcq.letters import letter_of

CITIES = ["Sydney", "Canberra", "Melbourne", "Perth"]


@pytest.mark.parametrize(
    "reply",
    """About 85% of lung cancers are due to smoking, so the answer is B.|15% of 80 = 12, so the answer is B.
The probability is 6/36 = 1/6, so B.|The probability is 6/36 = 1/6, making B the correct answer.
Since the probability is 6/36, the answer is B.|The greatest risk is from smoking, so B is the correct answer.
Smoking causes roughly 85% of them; therefore, the correct answer is **B**.|15% of 80 = 12 => the answer is B
The odds are 1 to 5, hence the answer is B.|Each child has a 25% chance of it, so I would go with B.
There are 6 ways out of 36, so the probability is 1/6 and the answer is B.
Since 15% of 1,200 is 180, the answer is B.|So the chance is 25%, so it is clear that the answer is B.
It is often called the powerhouse of the cell, so B is the correct answer.
This is sometimes known as the powerhouse; B is correct.
In many cells it makes the ATP, so B is right.""".replace("\n", "|").split("|"),
)
def test_what_follows_from_odds_is_an_answer(reply: str) -> None:
    assert letter_of(reply, CITIES) == "B"


@pytest.mark.parametrize(
    "reply",
    """So there is a 30% chance that the answer is A.|There is a 30% chance, therefore, that the answer is A.
With 30% or so, the answer is A.|The odds are so bad that the answer is A.|The odds are so bad I'd say A.
In 70% of the cases it is B; in the remaining cases the answer is A.|So, 60%, the answer is A.
In 30% of cases it means the largest city; then the answer is A.|So sometimes A is correct.
There is a chance that the largest city is meant, and the answer is A.
60% of people say Sydney, so the answer is A.
The risk that Sydney is the capital, making A the correct answer, is small.
The chance that it is Sydney, and so the answer is A, is small.|If there were a 30% chance, the answer is A.
There is a small chance of Sydney being the capital (so the answer is A).
It is often claimed that Sydney is the capital, so A is correct.
In some countries the largest city is the capital, so A is correct there.
At times it is 20%, so A is correct then.
Wrong approach: 20% of 80 = 16, so the answer is A.|The student computed 20%, so the answer is A.
Since I do not know, with 25% probability, the answer is A.""".replace("\n", "|").split("|"),
)
def test_odds_of_the_answer_itself_leave_none(reply: str) -> None:
    assert letter_of(reply, CITIES) is None
