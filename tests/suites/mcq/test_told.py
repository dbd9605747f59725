"""What stands behind a definite answer: what is only told of other options, and what withdraws the answer."""

from __future__ import annotations

import pytest

from tests.suites.mcq.letters import letter_of

CITIES = ["Berlin", "Paris", "Rome", "Madrid"]
DRUGS = ["Aspirin", "Heparin", "Warfarin", "Ibuprofen"]
SUMS = ["12", "15", "18", "24"]
CHANGES = ["Increases", "Decreases", "Stays the same"]
YES_NO = ["Yes", "No"]
CONTRACTS = ["It is void", "It is voidable", "It is enforceable", "No contract"]


@pytest.mark.parametrize(
    ("reply", "letter", "options"),
    [
        ("Answer: C. Warfarin\n\nD. Ibuprofen is an NSAID and has no effect on vitamin K.", "C", DRUGS),
        ("The correct answer is C. Warfarin.\n\nD) Ibuprofen: an NSAID, often confused with it.", "C", DRUGS),
        ("The answer is A.\n\nB) No - this would require intent.", "A", YES_NO),
        ("Antwort: B\n\nC) Rome is in Italy.", "B", CITIES),
        ("Answer: B\n\nOption C: Rome", "B", CITIES),
        ("Answer:\nC. Warfarin\n\nD. Ibuprofen is an NSAID.", "C", DRUGS),
        (
            "Answer: A\n\nB. Heparin is an injection.\nC. Warfarin is not.\nD. Ibuprofen is no such drug.",
            "A",
            DRUGS,
        ),
        ("Answer: A\n\nB. Heparin\nC. Warfarin\nD. Ibuprofen", "A", DRUGS),
        ("B. Heparin\n\nC. Warfarin is a tablet.\nD. Ibuprofen eases pain.\nA. Aspirin thins.", "B", DRUGS),
        ("Answer: A. Berlin\nB. Paris\nC. Rome\nD. Madrid", None, CITIES),
        ("Answers:\nA. Berlin is in Germany\nB. Paris is in France\nC. Rome\nD. Madrid", None, CITIES),
        ("Answer: C\n\nD.", None, CITIES),
    ],
)
def test_an_answer_above_a_list_of_the_other_options(
    reply: str, letter: str | None, options: list[str]
) -> None:
    assert letter_of(reply, options) == letter


@pytest.mark.parametrize(
    "then",
    """Let me know if my answer is wrong!|Correct me if my answer is wrong.|Sorry for the confusion earlier.
If you think that answer is wrong, please let me know.|The trial court's initial conclusion was incorrect.
The plaintiff's original answer was incorrect, so he amended it.|The first answer is wrong, since he paid.
Sorry about the confusion!|My apologies for the delay.|I must correct a common misconception: it is no port.
I should update you that the law differs by state.|I was wrong to doubt it at first.|I almost picked C.
I first said C.|My first thought was C.|Runner-up: C|The tricky one is C.|The capital of Italy is C.
For Italy: C.|For Italy, choose C.|In Italy, it is Rome.|Where wine is meant, Rome is better.
Capital of Italy: Rome|See also: Rome|Spain: D.|Italy = C, Spain = D.|C would be the next best one.
In the case of Italy, C would be correct.|Had it been Italy, C would be correct.|C is a good distractor.
For Italy, C is correct.|The closest competitor is C.|C is right for Italy only.""".replace("\n", "|").split(
        "|"
    ),
)
def test_what_is_told_of_others_leaves_the_answer(then: str) -> None:
    for claim in ("Answer: B\n\n", "The answer is B. "):
        assert letter_of(claim + then, CITIES) == "B"


@pytest.mark.parametrize(
    ("reply", "letter", "options"),
    [
        ("**Answer: (B) Decreases**\n\nWhen a dielectric is inserted, it increases.", "B", CHANGES),
        ("Answer: B\n\nFor metals, it increases. At rest: increases.", "B", CHANGES),
        ("Answer: A\n\n1. Duty? Yes.\n2. Breach? Yes.\n3. Defence? No.", "A", YES_NO),
        ("Answer: B\n\nOffer: yes. Acceptance: no.", "B", YES_NO),
        ("Answer: C\n\nMedian: 15", "C", SUMS),
        ("**Answer: B**\n\nThe median is 15. The mean is 18. The mode is 12.", "B", SUMS),
        ("Answer: B\n\nIn renal failure, aspirin is better tolerated.", "B", DRUGS),
        ("Answer: D\n\nA is right. B is right. C is right, too.", "D", [*DRUGS[:3], "All of the above"]),
        ("Answer: B\n\nD (Madrid) is the better answer.", None, CITIES),
        ('{"answer": "B", "alternatives": ["C"]}', "B", CITIES),
        ('{"answer": "B", "second_choice": "C"}', "B", CITIES),
    ],
)
def test_reasons_may_hold_another_options_words(reply: str, letter: str | None, options: list[str]) -> None:
    assert letter_of(reply, options) == letter


@pytest.mark.parametrize(
    "then",
    """Come to think of it, D.|On closer inspection: D|Thinking about it more, Madrid.|I'd now rather say D.
Final check: Madrid.|I stand corrected: D.|Must be D.|It has to be D.|Or maybe D.|[D is better]|(also D)
Please disregard that, D.|In short, D.|D, not A.|So it's Madrid.|On the whole, it is Madrid.
To be precise, D.|After thinking it over, D.|At last, D.|In the end: D
By elimination, it is Madrid.|Ach nein, doch D.|Pardon, c'est D.|Mejor D.|Well, Madrid then.
My final choice: D|On rereading, the capital is Madrid: D.|I want to change that to Madrid.
Given that it is Spain, D.|An alternative would be D, which is just as correct.
Actually, I am not sure, it may be D.|To be clear: D|D is what the question asks for.
However, D is also often accepted.|Verification failed: it is in Germany.
I apologize for the mistake.|My apologies.|I must correct my answer.|My original answer was wrong.""".replace(
        "\n", "|"
    ).split("|"),
)
def test_a_turn_to_another_option_withdraws_the_answer(then: str) -> None:
    for claim in ("Answer: A. ", "The answer is A.\n\n"):
        assert letter_of(claim + then, CITIES) in (None, "D")


def test_an_answer_called_wrong_makes_room_for_the_next() -> None:
    assert letter_of("Answer: A\n\nMy original answer was wrong. The correct answer is B.", CITIES) == "B"


@pytest.mark.parametrize(
    "reply",
    """I choose B as the one that fits best.|I select B as the correct one.|I'll go with B as the right one.
I choose B for one reason: Paris is the capital of France.|My guess is Paris.|Paris, I guess.
I'd guess it's Paris.|My best guess: Paris|It's obvious: Paris.|So B it is - the capital of France.
The capital of France is Paris, which was once called Lutetia.|B it is because Paris is the capital.
B it is (Paris).|The last capital of the kings was Paris.|The opposite of the village is Paris.""".replace(
        "\n", "|"
    ).split("|"),
)
def test_plain_choices_are_read(reply: str) -> None:
    assert letter_of(reply, CITIES) == "B"


@pytest.mark.parametrize(
    "reply",
    """B seems right. But C is what the question asks for.|The answer should be given as "Answer: A".
Please reply as "Answer: A".|Grade: 1. A|The answer is D, the Rome (C).
The answer is D: the Rome|I choose B as the one to exclude.|Paris is the opposite of what is asked.
Paris is a common guess.|Paris is too obvious.""".replace("\n", "|").split("|"),
)
def test_what_is_shown_set_apart_or_beside_another_is_none(reply: str) -> None:
    assert letter_of(reply, CITIES) is None


@pytest.mark.parametrize(
    ("then", "letter"),
    [
        *(
            (then, "B")
            for then in """After careful consideration, B is correct.|By process of elimination, B is correct.
In reality, B is correct.|In truth, B is the correct one.|From the table, B is correct.
In the guidelines, B is the correct drug.|At any rate, B is best.|Between A and B, B is better.
Over A, B is preferable.|Before finishing: B is in fact correct.|In our case, B is correct.
In the present case, though, it is B.|Under the facts given, B is right.
For the patient in question, B is preferable.""".replace("\n", "|").split("|")
        ),
        *(
            (then, "C")
            for then in """But on reading the question once more: C.|Among the options, C is the best.
Of the four options, C is correct.|From the above, C is correct.|As for the final answer, C is correct.
First of all, only C is correct.|With Spain in mind, C is the better choice.""".replace("\n", "|").split("|")
        ),
    ],
)
def test_words_that_only_open_a_sentence_are_no_other_case(then: str, letter: str) -> None:
    for claim in ("The answer is A. ", "Answer: A\n\n"):
        assert letter_of(claim + then, CITIES) in (None, letter)


@pytest.mark.parametrize(
    "then",
    """I apologize for the error above.|Apologies for the wrong answer above.|Sorry for the error above.
Sorry about the mistake I made.|I apologize for the confusion earlier. Madrid is what we need.
I need to correct my earlier reply: C.|Let me correct the above: Madrid.|I was wrong to say A.
I was wrong to choose Paris; Spain was asked.|I should have said C.|I should have picked Madrid.
The first answer is wrong.|The first answer was wrong!|The above is wrong. Madrid is in Spain.""".replace(
        "\n", "|"
    ).split("|"),
)
def test_a_plain_withdrawal_is_heard(then: str) -> None:
    for claim in ("Answer: A\n\n", "Answer: A. "):
        assert letter_of(claim + then, CITIES) in (None, "C", "D")


ALL = [*DRUGS[:3], "All of the above"]


@pytest.mark.parametrize(
    ("reply", "letters"),
    [
        ("Answer: D. No, only A is correct.", "A"),
        ("Answer: D. Wait, B is false. So only A is correct.", "A"),
        ("Answer: D\n\nOnly A is correct, B and C are wrong.", ""),
        ("Answer: D\n\nA is the best answer, since B and C are wrong.", ""),
        ("Answer: D\n\nA is correct, but B and C are not.", ""),
        ("Answer: D\n\nA is correct, B is correct and C is correct.", "D"),
        ("Answer: D\n\nA is a good choice. B is right, and C is right, too.", "D"),
        ("Answer: D. A is true, B is true, and C is true.", "D"),
        ("Answer: D\n\nNot only A is correct, but B and C are correct as well.", "D"),
    ],
)
def test_all_of_the_above_is_withdrawn_where_one_alone_is_right(reply: str, letters: str) -> None:
    assert letter_of(reply, ALL) in (set(letters) or {None})


SPAIN = ["Paris", "Rome", "Madrid", "Berlin"]
PRODUCTS = ["4", "6", "8", "12"]


@pytest.mark.parametrize(
    ("reply", "options"),
    [
        ("Answer: B\n\nC. Madrid\n\nExplanation: Madrid is the capital of Spain.", SPAIN),
        ("Answer: B\n\nCorrect:\nC. Madrid", SPAIN),
        ("Answer: B\nC. 8", PRODUCTS),
        ("Answer: B) 6\nC) 8\nD) 12", PRODUCTS),
        ("Answer: A\n\n2*4 = 8 → C", PRODUCTS),
        ("Answer: A\n\n2*4 = 8 => C", PRODUCTS),
        ("Answer: A\n\nB: wrong.\nC: This is correct.\nD: wrong.", SPAIN),
        ("Answer: A\n\nA. Paris ❌\nB. Rome ❌\nC. Madrid ✅\nD. Berlin ❌", SPAIN),
        ("Answer: A\n\nA. Paris - wrong\nB. Rome - wrong\nC. Madrid - correct\nD. Berlin - wrong", SPAIN),
        ("Answer: A\n\nOption C: Correct, Madrid is the capital of Spain.", SPAIN),
        ("Answer: A\n\nThe statement that matches is C.", SPAIN),
        ("Answer: A\n\nHowever, A is wrong.", SPAIN),
        ("Wrong answer to question 1: 1. A", SPAIN),
    ],
)
def test_a_second_answer_below_as_an_item_or_behind_an_arrow(reply: str, options: list[str]) -> None:
    assert letter_of(reply, options) in (None, "C" if "C" in reply else None)


@pytest.mark.parametrize(
    ("reply", "letter", "options"),
    [
        ("Answer: B\n\nRunner-up:\nC. Rome", "B", CITIES),
        ("Answer: B\n\nGermany → A. Italy → C.", "B", CITIES),
        ("Answer: B\n\nA. Berlin ❌\nB. Paris ✅\nC. Rome ❌", "B", CITIES),
        ("Answer: B\n\nA: correct? No.\nC: incorrect.", "B", CITIES),
        ("Answer: B\n\nC. Rome: the right bank of the Tiber.", "B", CITIES),
        ("Answer: A\n\nB. correct\nC. correct\nD. correct", "A", CITIES),
        ("Answer: D\n\nA. Aspirin - correct\nB. Heparin: correct\nC. Warfarin - wrong", "D", ALL),
        ("Answer: A\n\nB) No", "A", YES_NO),
        ("Answer: B. It's a common error to pick C.", "B", CITIES),
        ("Answer: B. A frequent mistake: C.", "B", CITIES),
        ("Answer: B\n\nIf the question had asked for injections, then C.", "B", CITIES),
        ("Answer: B\nSecond best: C.", "B", CITIES),
        ("Answer: A. Without consideration, C.", "A", CONTRACTS),
        ("Should you need one letter: A.", "A", CITIES),
        ("Question 5: 5. A", "A", CITIES),
        ("Answer to Question 1: 1) A", "A", CITIES),
    ],
)
def test_an_answer_is_kept_beside_others_that_are_only_told(
    reply: str, letter: str, options: list[str]
) -> None:
    assert letter_of(reply, options) == letter
