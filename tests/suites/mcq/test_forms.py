"""Labels, wrappers and lists in which models give a letter, and their like in which they give none."""

from __future__ import annotations

import pytest

from tests.suites.mcq.test_extract import letter_of

COFFEE = ["Vietnam", "Colombia", "Brazil", "Ethiopia"]


@pytest.mark.parametrize(
    "reply",
    [
        "The anwser is C.",
        "Asnwer: C",
        "【答案】C",
        "【C】",
        "Letra C",
        "Alternativa C",
        "La letra correcta es C.",
        "A alternativa correta é C.",
        "Je pense que c'est C, Brazil.",
        "Creo que es la C.",
        "Die korrekte Option ist C, denn dort wächst er.",
        "正解はCのBrazilです。",
        "A选项错误。\nB选项错误。\nC选项正确，因为产量最高。\nD选项错误。",
        "<final>C</final>",
        "<response>C</response>",
        "<option>C</option>",
        "boxed{C}",
        "Key: C",
        "Answer key: C",
        "Assistant: C",
        "A: C",
        "A: C. Brazil",
        "C/Brazil",
        "C\\. Brazil",
        "C Brazil",
        "C for sure",
        "Correct: C\nIncorrect: A, B, D",
    ],
)
def test_a_letter_is_known_by_its_label_or_wrapper(reply: str) -> None:
    assert letter_of(reply, COFFEE) == "C"


@pytest.mark.parametrize(
    "reply",
    [
        "<option>A</option><option>C</option>",
        "Key: A = Asia, C = South America",
        "Correct: A, C",
        "Not correct: C",
        "A: C\nB: D",
        "A: C is wrong.",
        "A: Brazil",
        "C/Vietnam",
        "C选项错误，因为产量最高。",
        "Je ne pense pas que c'est C.",
        "No creo que es la C.",
        "正解はCのVietnamです。",
    ],
)
def test_and_none_is_taken_from_their_like(reply: str) -> None:
    assert letter_of(reply, COFFEE) is None


@pytest.mark.parametrize(
    "reply",
    [
        "| Option | Country | Right? |\n|---|---|---|\n| A | Vietnam | ❌ |\n| B | Colombia | ❌ |\n"
        "| C | Brazil | ✅ |\n| D | Ethiopia | ❌ |",
        "[ ] A. Vietnam\n[ ] B. Colombia\n[x] C. Brazil\n[ ] D. Ethiopia",
        "A. Vietnam\nB. Colombia\n**C. Brazil**\nD. Ethiopia",
        "A. Vietnam\nB. Colombia\nC. Brazil (correct answer)\nD. Ethiopia",
    ],
)
def test_one_marked_of_a_list_of_all_is_the_answer(reply: str) -> None:
    assert letter_of(reply, COFFEE) == "C"


@pytest.mark.parametrize(
    "reply",
    [
        "| A | Vietnam | ❌ |\n| B | Colombia | ✅ |\n| C | Brazil | ✅ |\n| D | Ethiopia | ❌ |",
        "[x] A. Vietnam\n[ ] B. Colombia\n[x] C. Brazil\n[ ] D. Ethiopia",
        "[ ] A. Vietnam\n[ ] B. Colombia\n[ ] C. Brazil\n[ ] D. Ethiopia",
        "A. Vietnam\n**B. Colombia**\n**C. Brazil**\nD. Ethiopia",
        "Wrong is:\nA. Vietnam\nB. Colombia\n**C. Brazil**\nD. Ethiopia",
        "A. Vietnam\nB. Colombia\nC. Brazil (not the correct answer)\nD. Ethiopia",
    ],
)
def test_and_no_or_several_marks_are_none(reply: str) -> None:
    assert letter_of(reply, COFFEE) is None


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("It is not grown in Europe. So the largest producer is C. Brazil.", "C"),
        ("A. Vietnam\nB. Colombia\nC. Brazil\nD. Ethiopia\n\nSo the largest producer is option C.", "C"),
        ("1. Brazil\n2. Vietnam\n\nSo the largest producer is Brazil, option C.", "C"),
        ("It grows most of all. Option C.", "C"),
        ("None of A, B and D grows as much → C.", "C"),
        ("The correct choice among A, B, C and D is C.", "C"),
        ("Vietnam comes second. So Brazil it is.", "C"),
        ("Vietnam comes second. So Brazil, C.", "C"),
        ("So the largest producer is not C.", None),
        ("So the largest producer is C. Vietnam.", None),
        ("So the wrong one is option C.", None),
        ("Vietnam → A, Brazil → C.", None),
        ("Largest in Asia → A?", None),
    ],
)
def test_a_conclusion_may_end_with_the_letter(reply: str, letter: str | None) -> None:
    assert letter_of(reply, COFFEE) == letter


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("3. Brazil", "C"),
        ("3) Brazil", "C"),
        ("The correct answer is **3. Brazil**.", "C"),
        ("Option 3", "C"),
        ("The correct option is 3.", "C"),
        ("The third option is correct.", "C"),
        ("The last option is correct.", "D"),
        ("2. Brazil", None),
        ("Option 7", None),
        ("3", None),
        ("Answer: 3", None),
        ("The third option is wrong.", None),
        ("It is not the third option.", None),
    ],
)
def test_an_option_may_be_told_by_its_number(reply: str, letter: str | None) -> None:
    assert letter_of(reply, COFFEE) == letter


@pytest.mark.parametrize("options", [["2", "3", "4", "5"], ["Two", "Three", "Four", "Five"]])
def test_where_options_are_numbers_no_number_counts_them(options: list[str]) -> None:
    assert letter_of("The correct option is 3.", options) in (None, "B")
    assert letter_of("Option 3", options) in (None, "B")
    assert letter_of("The third option is correct.", options) is None


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("Vietnam comes second. However, the largest is C. Brazil.", "C"),
        ("The second one is Vietnam. The largest is Brazil (C).", "C"),
        ("The largest isn't Vietnam (A), as many think; it's Brazil (C).", "C"),
        ("A: one\nB: two\nC: three\nD: four\n\nThe largest is Brazil (C).", "C"),
        ("Vietnam and Colombia follow. Therefore, the largest is the Brazil, option C.", "C"),
        ("The harvest of Brazil makes C the correct answer.", "C"),
        ("Step 3: Choose C.", "C"),
        ("Thus C is the only sensible ending.", "C"),
        ("Since A, B and D are small, C.", "C"),
        ("A, B and D are not the largest; C is.", "C"),
        ('The answer to the question "Which country grows most coffee?" is C', "C"),
        ("Не Б, а C", "C"),
        ("A [ ]\nB [ ]\nC [x]\nD [ ]", "C"),
        ("A. Vietnam [ ]\nB. Colombia [ ]\nC. Brazil [x]\nD. Ethiopia [ ]", "C"),
        ("The largest is Brazil (C). The second is Vietnam (A).", None),
        ("A tempting alternative is Vietnam (A).", None),
        ("My friend says it's Vietnam (A).", None),
        ("The largest isn't Vietnam (A). It isn't Colombia (B).", None),
        ("The common misconception makes A the correct answer.", None),
        ("Step 1: Choose A.\nStep 2: Choose B.", None),
        ("A, B and C are large, but is D?", None),
        ("A and B are small, D.", None),
        ("Не Б, а В", None),
        ("A [x]\nB [x]\nC [ ]\nD [x]", None),
    ],
)
def test_the_last_words_may_be_an_option_with_its_letter_or_the_one_that_is_left(
    reply: str, letter: str | None
) -> None:
    assert letter_of(reply, COFFEE) == letter


def test_all_of_them_may_follow_from_each() -> None:
    options = ["Fever", "Cough", "Fatigue", "All of the above"]
    assert letter_of("A is correct. B is correct. C is correct. Therefore D", options) == "D"
    assert letter_of("A is correct. B is correct. Therefore C", options) is None
    assert letter_of("A is correct. D is correct.", options) is None


@pytest.mark.parametrize(
    "reply",
    [
        "Without a doubt, C.",
        "Without any doubt: C",
        "Undoubtedly C.",
        "Next best step: C",
        "Best next step in management: C.",
        "Most likely diagnosis: **C**",
        "Best option here: C",
        "Korrekt ist C.",
        "Es la opción C.",
        "C'est la réponse C.",
        "È la risposta C.",
        "Das ist Option C.",
        "Ce n'est pas A, c'est C.",
        "No es A ni B; es C.",
        "Non è A, è C.",
        "Es ist nicht A, sondern C.",
        "A가 아니라 C입니다.",
        "Gabarito: C",
        "Верный вариант C.",
        "Правильный вариант: C.",
        "C. Not A, not B, and certainly not D.",
        "C, not A and not B.",
        "Answer: C\nAlternative answer: B",
        "Answer: C\nSecond choice: B",
        "Answer: C\nWrong answers: B",
        "C. Since A, B and D are all wrong.",
        "C, because A, B and D grow none of it.",
    ],
)
def test_a_letter_in_few_words(reply: str) -> None:
    assert letter_of(reply, COFFEE) == "C"


@pytest.mark.parametrize(
    "reply",
    [
        "Second best step: C",
        "Least likely diagnosis: C",
        "Most likely wrong: C",
        "Most common mistake: C",
        "Best grade: C or D",
        "Si ce n'est pas A, c'est C.",
        "Ce n'est pas A, c'est C ?",
        "Ce n'est ni A ni C.",
        "No es C.",
        "Wenn nicht A, dann C.",
        "C가 아니라 C입니다.",
        "Es la opción C?",
        "Неверный вариант C.",
        "Не верный вариант C.",
        "Without a doubt not C.",
        "C. Not A, not B, and certainly not C.",
        "C. Since A and B are wrong, D.",
        "Answer: C\nBetter answer: B",
        "Answer: C\nAnother correct answer: B",
    ],
)
def test_no_letter_in_few_words(reply: str) -> None:
    assert letter_of(reply, COFFEE) is None


def test_all_of_the_others_are_right() -> None:
    options = ["It is red", "It is round", "It is sweet", "All of the above"]
    assert letter_of("D. Since A, B and C are all correct.", options) == "D"
    assert letter_of("(D) because A, B, and C are true.", options) == "D"


def test_a_label_before_letters_that_options_hold_is_none() -> None:
    assert letter_of("Best vitamin: C", ["Vitamin A", "Vitamin C", "Vitamin D", "Vitamin K"]) is None
