"""Replies that put another option forward behind their answer, and explanations, which do not."""

from __future__ import annotations

import pytest

from tests.suites.mcq.letters import letter_of

CITIES = ["Berlin", "Paris", "Rome", "Madrid"]
DEFICIENCIES = ["Scurvy", "Rickets", "Beriberi", "Pellagra"]
CONTRACTS = ["The contract is void", "The contract is voidable", "The contract is enforceable", "No contract"]
NINE = ["Kant", "Hume", "Locke", "Mill", "Rawls", "Hegel", "Plato", "Descartes", "Spinoza"]


@pytest.mark.parametrize(
    "then",
    """Let me change my answer to D.|I'm changing it to D.|Changing to D.|However, D makes more sense.
Yet D is better.|After rechecking, D.|Having reconsidered, D.|UPDATE: D.|Checking again: D.|Or D?
Looking at it again, D makes more sense.|But I now prefer D.|Ah, I see my error. D.|Better: D.|Typo, D.
Replace that with D.|I'll amend that to option D.|Thinking twice: (D).|Should be D actually.|Nah, D.
Upon review, it is Madrid.|On second thoughts, Madrid is the capital.|Err, Madrid.|Checking again: Madrid.
Upon a second look, the correct city is Madrid.|The question says Spain, so Madrid it is.
Spain's capital is Madrid, so I must revise my answer.|Also D.|D is correct too.|D would be the safer pick.
One could equally argue for D.|Nein, D.|Non, plutôt D.|Attendez, c'est Madrid, donc D.|Perdón, es la D.
Anzi, D.|Хотя нет, правильно D.|Nie, D.|Hayır, D.|Nej, D.|아니, D입니다.|いや、違います。Dです。|不，是D。
Không, D.|لا، D.|नहीं, D.|Bukan, D.|Halt, Madrid ist richtig.|Changed to D after review.""".replace(
        "\n", "|"
    ).split("|"),
)
def test_an_answer_that_is_exchanged_later_is_not_given(then: str) -> None:
    for claim in ("The answer is A.", "Answer: A\n\n", "A. Berlin\n\n", "\\boxed{A}\n\n"):
        assert letter_of(f"{claim} {then}", CITIES) in (None, "D")


@pytest.mark.parametrize(
    "reply",
    """A seems right at first, but it's actually D.|A looks correct, but it is actually D.
A is correct but D is more correct.|A appears right; on closer look, D.
A is right, though D is even more right.
A seems correct to many students, but in fact D is the one.|The answer is A [should be D]
The answer is A (correct: D)|The answer is A (edit: D).|I'd say A, but then D fits better.
Answer: A, but D is correct too.|答えはA。いや、D。|Ответ: А. Нет, D.""".replace("\n", "|").split("|"),
)
def test_the_first_of_two_is_not_the_answer_where_the_second_is_put_forward(reply: str) -> None:
    assert letter_of(reply, CITIES) in (None, "D")


@pytest.mark.parametrize(
    "then",
    """My initial answer was wrong.|That answer was wrong.|Unfortunately this is incorrect.
So my answer is wrong.|The answer given is incorrect.|I realise my response was incorrect.
Sorry for the mistake.|I got it wrong.|That is not the answer to this question.|My apologies.
What I said is wrong.|There is a mistake in my answer.|I'm no longer sure about that.
However, the capital of Spain is Madrid, so my previous answer was incorrect.""".replace("\n", "|").split(
        "|"
    ),
)
def test_an_answer_that_is_called_wrong_is_none(then: str) -> None:
    for claim in ("Answer: A\n\n", "The answer is A. "):
        assert letter_of(claim + then, CITIES) is None


@pytest.mark.parametrize(
    "reply",
    """I select B as incorrect.|I select B for elimination.|I go with B as the wrong one.
Paris is the distractor.|Paris is a trap.|Paris is what most people would say.
It used to be Paris.|Paris, said the student.
Paris is one candidate.|The answer is B, right?""".replace("\n", "|").split("|"),
)
def test_what_is_chosen_as_wrong_or_set_apart_is_no_answer(reply: str) -> None:
    assert letter_of(reply, CITIES) is None


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        (CITIES, "Answer: B\n\nBerlin is Germany's capital, Rome is Italy's, and Madrid is Spain's."),
        (CITIES, "Answer: B. The closest distractor is D, but Spain is another country."),
        (CITIES, "Answer: B\n\nA common mistake is to choose D."),
        (CITIES, "Answer: B\n\nA, C and D are capitals of other countries."),
        (CITIES, "Answer: B\n\nIf the question were about Germany, A would be right."),
        (CITIES, "Answer: B\n\nWhen compared to A, it is older."),
        (CITIES, "Answer: B\n\nAll roads lead to Rome. The largest of the others is Berlin (A)."),
        (CITIES, "Answer: B\n\nGermany: Berlin. France: Paris. Italy: Rome. Spain: Madrid."),
        (CITIES, "Answer: B\n\nIncorrect answers:\nA\nC\nD"),
        (CITIES, "Answer: B\n\nD: Madrid is in Spain, so this answer is incorrect."),
        (CITIES, "The correct answer is B. Rome (C) stands for Italy."),
        (CITIES, "正确答案是B。A选项错误，因为柏林是德国的首都。"),
        (CITIES, "正解はBです。A、C、Dは誤りです。"),
        (CITIES, "Ответ: B\n\nПояснение: A - Германия, C - Италия, D - Испания."),
        (
            DEFICIENCIES,
            "Answer: B\n\nScurvy is caused by a lack of vitamin C, rickets by a lack of vitamin D.",
        ),
        (CONTRACTS, "Answer: B\n\nThe contract is voidable, not void."),
        (CONTRACTS, "Answer: B\n\nIf the object were illegal, the contract is void."),
        (NINE, "Answer: B\n\nI could explain this just as well in detail, and I might do so too."),
    ],
)
def test_an_explanation_may_speak_of_the_other_options(options: list[str], reply: str) -> None:
    assert letter_of(reply, options) == "B"


def test_what_speaks_against_the_given_option_may_lead_to_another() -> None:
    cities = ["Sydney", "Melbourne", "Canberra", "Perth"]
    begin = "Answer: B. Melbourne was the capital until 1927, but it no longer is, so"
    for verb in ("should be", "must be", "has to be"):
        assert letter_of(f"{begin} this {verb} C.", cities) is None
        assert letter_of(f"{begin} it {verb} C.", cities) == "C"
    assert letter_of("Answer: B. Perth lies in the west, so it must be B.", cities) == "B"
