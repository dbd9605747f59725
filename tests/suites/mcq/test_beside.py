"""Letters and options with something beside them: another option, a denial in another language, a sign."""

from __future__ import annotations

import json

import pytest

from tests.suites.mcq.letters import letter_of

CITIES = ["Berlin", "Paris", "Rome", "Madrid"]


@pytest.mark.parametrize(
    "reply",
    [
        "C) Berlin",
        "(C) Berlin",
        "**C) Berlin**",
        "**C** Berlin",
        "C. Berlin",
        "C: Berlin",
        "C is Berlin",
        "Berlin (C)",
        "Answer: C (Berlin)",
        "Answer: C Berlin",
        "Answer: C. Berlin",
        "Answer: C, Berlin",
        "The answer is C (Berlin).",
        "I choose C (Berlin).",
        "Option C (Berlin) is correct.",
        "Antwort: C (Berlin)",
        "\\boxed{C (Berlin)}",
        '{"answer": "C. Berlin"}',
    ],
)
def test_a_letter_beside_another_options_text_is_none(reply: str) -> None:
    assert letter_of(reply, CITIES) is None
    assert letter_of(reply.replace("Berlin", "Rome"), CITIES) == "C"


@pytest.mark.parametrize(
    "reply",
    [
        "The correct answer is C: Berlin is the capital.",
        "C) Berlin is the capital of the country.",
        "**Answer: C. Berlin** is the capital",
        "Answer: (C) Berlin was the capital.",
    ],
)
def test_a_letter_joined_to_another_options_text_with_which_a_sentence_begins(reply: str) -> None:
    assert letter_of(reply, CITIES) is None
    assert letter_of(reply.replace("Berlin", "Rome"), CITIES) == "C"


@pytest.mark.parametrize(
    "reply",
    [
        "The answer is C. Berlin was only built in 1913.",
        "The answer is C: Berlin is not as old.",
        "The answer is **C**. **Berlin** was built later.",
        "Answer: C: Berlin is younger than it.",
    ],
)
def test_an_explanation_may_begin_with_another_option(reply: str) -> None:
    assert letter_of(reply, CITIES) == "C"


def test_other_options_in_the_next_sentence_are_its_reasons() -> None:
    options = ["Germany", "France", "Spain", "Italy"]
    assert letter_of("I choose B. Germany, Spain and Italy are in other places.", options) == "B"
    assert letter_of("Answer: B (not Germany)", options) == "B"


LONGER = [
    ("It increases|It decreases|It increases and then decreases", "It increases, and then decreases."),
    ("True|False|True only in summer", "True, only in summer."),
    ("5|at least 5|10", "At least: 5"),
    ("5|at least 5|10", "The answer is at least: 5"),
    ("Mitosis|Meiosis|Mitosis and meiosis", "Answer: Mitosis, Meiosis"),
    ("Mitosis|Meiosis|Mitosis and meiosis", "Answer: Mitosis (and meiosis)"),
    ("Sodium|Sodium chloride|Iron", "Sodium-chloride"),
    ("We win|We win because the contract is void|They win", "We win, because the contract is void."),
    ("We win|We win because the contract is void|They win", "Answer: We win, because the contract is void"),
    ("We win|We win because the contract is void|They win", "We win since the contract is void."),
]


@pytest.mark.parametrize(("options", "reply"), LONGER)
def test_the_beginning_of_a_longer_option_is_not_the_shorter_one(options: str, reply: str) -> None:
    assert letter_of(reply, options.split("|")) is None


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        ("It increases|It decreases|It increases and then decreases", "It increases.", "A"),
        ("True|False|True only in summer", "True, because it is warm.", "A"),
        ("True|False|True only in summer", "True only in summer.", "C"),
        ("5|at least 5|10", "It is at least 5.", "B"),
        ("5|at least 5|10", "Answer: 5", "A"),
        ("Sodium|Sodium chloride|Iron", "Sodium is a metal.", "A"),
        ("We win|We win because the contract is void|They win", "We win because the contract is void", "B"),
    ],
)
def test_options_inside_of_longer_ones_are_read_where_no_more_is_said(
    options: str, reply: str, letter: str
) -> None:
    assert letter_of(reply, options.split("|")) == letter


@pytest.mark.parametrize(
    "reply",
    """答えCは違います。|答えCは除外。|정답 C는 아닙니다.|الجواب C خطأ|答案C可以排除。|答案是C还是A？
答案：C（错）|Svaret C stämmer inte.|La respuesta C no procede.|La respuesta C sería correcta si fuera Italia.
A resposta C não serve.|A resposta C parece certa, mas não é.|Ответ C исключаем.|Ответ C: нет
Ответ C был бы верным, если бы речь шла об Италии.|Ответ C кажется верным, но это не так.
Antwort C wäre richtig, wenn es um Italien ginge.|Antwort C könnte stimmen, aber ich weiß es nicht.
Antwort: C (falsch)|Antwort C: falsch|Réponse C : non, car c'est l'Italie.|La réponse C semble tentante.
Cevap C değil.|Đáp án C sai.|正解はC以外です。|답이 C라면|Respuesta: C (incorrecta)
Answer: C would be right for Italy|Answer: C might be right|❌ C|❌ C. Rome|❌ **C**|❌ Answer: C
C) ist falsch.|C) no es correcta.|C) Rome no es correcta|(C) неверно
C) would be right if it were Italy|C) 错误""".replace("\n", "|").split("|"),
)
def test_a_letter_that_the_sentence_goes_on_about_was_not_given(reply: str) -> None:
    assert letter_of(reply, CITIES) is None


@pytest.mark.parametrize(
    "reply",
    """Antwort: C|Die Antwort ist C, weil Rom die Hauptstadt ist.|Die Antwort ist C, also Rome.|Antwort: C ✅
Antwort: C — Rome ist die Hauptstadt.|Die richtige Antwort ist C) Rom, da es die Hauptstadt ist.
La réponse est C car Rome est la capitale.|Réponse : C. Rome est la capitale de l'Italie.
La respuesta es la C porque Roma es la capital.|La respuesta correcta es: C) Roma
A resposta certa é a letra C.|答案：C。罗马是意大利的首都。|答案是C，因为罗马是首都。|正确答案是C，罗马。
正解はC（ローマ）です。|정답은 C입니다.|정답은 C(로마)입니다.|Ответ: C) Рим|Правильный ответ — C (Рим).
الإجابة الصحيحة هي C) روما|सही उत्तर C है।
Cevap C'dir.|Đáp án đúng là C.|Jawabannya adalah C karena Roma|Odpowiedź: C. Rzym|Svaret är C.
C) Rom|C) ローマ|(C) Рим|C) Rome, porque es la capital""".replace("\n", "|").split("|"),
)
def test_a_letter_at_the_end_of_its_sentence_or_before_its_reason_was_given(reply: str) -> None:
    assert letter_of(reply, CITIES) == "C"


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("Ответ: В", "B"),
        ("Ответ: **С**", "C"),
        ("Правильный ответ: А.", "A"),
        ("Ответ: В Париже", None),
        ("Варианты: А, Б, В, Г. Ответ: В", None),
        ("Ответ: Б", None),
    ],
)
def test_cyrillic_letters_that_look_like_latin_ones(reply: str, letter: str | None) -> None:
    assert letter_of(reply, CITIES) == letter


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ('{"reasoning": "A is tempting", "answer": "C"}', "C"),
        ('```json\n{"reasoning": "A is tempting", "answer": "C"}\n```', "C"),
        ('{"tempting_answer": "C"}', None),
        ('A tempting one: {"answer": "C"}', None),
    ],
)
def test_the_answer_key_of_a_json_object_is_the_answer(reply: str, letter: str | None) -> None:
    assert letter_of(reply, CITIES) == letter


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("Best: C. Second best: B.", "C"),
        ("Best: C\nRunner-up: B", "C"),
        ("Best: C. Worst: A.", "C"),
        ("Yes: C. No: A.", "C"),
        ("Yes: C\nNo: A", "C"),
        ("Correct: C. Incorrect: A.", "C"),
        ("Most likely: C; least likely: A", "C"),
        ("No: A, B and D. Yes: C.", "C"),
        ("Right: A, C. Wrong: B, D.", None),
        ("Yes: A. Yes: C. No: B.", None),
        ("First: A. Second: B.", None),
        ("No: A.", None),
        ("Second best: B.", None),
        ("Worst: A.", None),
        ("Ja: C. Nein: A.", "C"),
        ("Nicht best: C. Second best: B.", None),
        ("Not correct: C. Incorrect: A.", None),
        ("Best of the wrong ones: C. Second best: B.", None),
        ("Least likely: C. Most likely: B.", "B"),
    ],
)
def test_verdicts_each_with_its_letters(reply: str, letter: str | None) -> None:
    assert letter_of(reply, CITIES) == letter


@pytest.mark.parametrize(
    "form", ['"{}": "{}"', '"{}":"{}"', "{} : {}", "{} - {}", "{} → {}", "{}={}", "[{}] {}"]
)
def test_options_that_are_repeated_on_one_line_are_no_answer(form: str) -> None:
    for joint in (", ", ",", "; ", " "):
        listed = joint.join(form.format(*pair) for pair in zip("ABCD", CITIES, strict=True))
        for reply in (f"{{{listed}}}", listed):
            assert letter_of(reply, CITIES) is None


def test_an_answer_beside_repeated_options_is_read() -> None:
    listed = json.dumps(dict(zip("ABCD", CITIES, strict=True)))
    assert letter_of(f'{{"options": {listed}, "answer": "B"}}', CITIES) == "B"
    assert letter_of(f'{listed[:-1]}, "answer": "B"}}', CITIES) == "B"
