"""Replies in other languages than English: "no" denies a letter there, and sentences go on behind it."""

from __future__ import annotations

import pytest

from tests.suites.mcq.letters import letter_of

CITIES = ["Berlin", "Paris", "Rome", "Madrid"]
CIUDADES = ["Berlín", "París", "Roma", "Madrid"]
LAND = ["Berlin", "Paris", "Rome", "Kein Land"]


@pytest.mark.parametrize("options", [CITIES, CIUDADES])
@pytest.mark.parametrize(
    "reply",
    """La respuesta correcta es B. No es A.|La respuesta es B, no C.|Respuesta: B. No A.
La risposta è B, non A.|B) París es la respuesta correcta. No es C.
La opción B es correcta, no A.|La respuesta es B (no A).
A resposta correta é B) Paris, não A.|La réponse est B, non A.|La réponse est B, pas A.
La respuesta correcta es la B, no la A.|La respuesta es B y no A.|A resposta é B, e não A.
La respuesta correcta es B, que corresponde a París.|Antwort: B (nicht A)|Die Antwort ist B, nicht A.
Ответ: B, а не A|答案是B，不是A。|答案是B而不是A。|La respuesta es B, no es A.
正确答案是B，巴黎是法国的首都，柏林不是。|答えはBで、Aではありません。
정답은 B이며, A가 아닙니다.|La respuesta correcta es B (París es la capital de Francia).
Правильный ответ B (Париж).|Правильный ответ: В) Париж
正解はB「パリ」です。|正解はBのパリです。
정답은 B번 파리입니다.""".replace("\n", "|").split("|"),
)
def test_a_letter_behind_which_another_one_is_denied_or_its_text_is_told(
    reply: str, options: list[str]
) -> None:
    assert letter_of(reply, options) == "B"


def test_another_options_text_may_be_denied_behind_the_letter() -> None:
    assert letter_of("Die Antwort ist B: Paris ist die Hauptstadt, nicht Berlin.", CITIES) == "B"


@pytest.mark.parametrize("reply", ["Antwort: D (Kein Land)", "Die Antwort ist D (Kein Land)."])
def test_an_options_own_words_are_no_denial(reply: str) -> None:
    assert letter_of(reply, LAND) == "D"


@pytest.mark.parametrize("reply", ["The answer is B, no A.", "The answer is A. No B.", "A. no B"])
def test_no_right_before_a_letter_may_mean_both_in_english(reply: str) -> None:
    assert letter_of(reply, CITIES) is None


@pytest.mark.parametrize(
    "reply",
    """The answer is A. No, B.|The answer is A. No, it's B.|The answer is A. No it's B.|Answer: A. No wait, B.
The answer is A. No, the answer is B.|La respuesta es A. No, es B.|A resposta é A. Não, é B.
La réponse est A. Non, c'est B.|La réponse est A. Non, B.|Die Antwort ist A. Nein, B.""".replace(
        "\n", "|"
    ).split("|"),
)
def test_no_with_a_comma_corrects(reply: str) -> None:
    assert letter_of(reply, CITIES) == "B"


@pytest.mark.slow
@pytest.mark.parametrize(
    "reply",
    """Réponse C : non, car c'est Rome.|La respuesta es C, no.|La réponse est C, non ?|Antwort: C (nicht C)
La respuesta es C, que corresponde a Roma, pero no es correcta.|La respuesta es C, que es incorrecta.
Die Antwort ist C, nicht wahr?|Die Antwort ist C, nicht A, oder B?|Falsche Antwort: C, nicht A.
正解はCの逆です。|正解はCの可能性があります。|正解はC、ではありません。|答えはCではありません。
答案是C，不是。|答案是C，罗马不是。|정답은 C가 아닙니다.|정답은 C번 다음입니다.
Неправильный ответ C (Рим).|Правильный ответ C (нет).|Если бы речь шла об Италии, правильный ответ C (Рим).
La respuesta es C (si fuera Italia).|Die Antwort ist C (wenn es um Italien ginge).|La respuesta es C (quizás).
La respuesta es C (o B).|Die Antwort ist C (eher B).|Die Antwort ist C (Paris ist die Hauptstadt).""".replace(
        "\n", "|"
    ).split("|"),
)
def test_a_letter_that_is_denied_doubted_or_beside_another_is_none(reply: str) -> None:
    assert letter_of(reply, CITIES) is None


@pytest.mark.parametrize(
    "reply",
    """Opción B|Вариант B|選択肢B|Optie B|Opzione B|Variante B|옵션 B|보기 B|Also B.|Daher B.|Es ist B.
Somit ist B richtig.|Donc B.|Donc c'est B.|Je choisis B.|Es B.|Es la B.|Por lo tanto, B.|Elijo B
La correcta es B|Значит, B.|Это B.|所以是B。|正确的是B|Bです。|Bだと思います。|따라서 B입니다.
Paris ist die Hauptstadt. Also B.
La France a Paris. Donc c'est B.|首都は Paris です。Bです。""".replace("\n", "|").split("|"),
)
def test_a_sentence_that_ends_the_reply_and_holds_only_a_conclusion(reply: str) -> None:
    assert letter_of(reply, CITIES) == "B"


@pytest.mark.parametrize(
    "reply",
    """No es B.|¿Es B?|Antwort B wäre richtig, wenn|答えはBではない|Es ist nicht B.|不是B。|Bですか。
Es B o C.|Es B, pero
Somit ist B richtig, wenn es um Italien geht.|¿Cuál es falsa? Es B.|Welche ist falsch? Es ist B.
Bじゃない。
Berlin ist die Hauptstadt. Also B.|C'est A. C'est B.|Ninguna es correcta. Es B.|Ejemplo: Es B.
Berlin is big. Also B.|Elimino:~Opción B|Opción B~Es incorrecta.|Pregunta 2. Es B.|2. Es B.
Si fuera Paris. Es B.|正确的不是B|La incorrecta es B""".replace("\n", "|").split("|"),
)
def test_a_conclusion_that_is_denied_asked_or_of_two_minds_is_none(reply: str) -> None:
    assert letter_of(reply.replace("~", "\n"), CITIES) is None


def test_options_that_are_written_without_blanks_are_named_inside_of_words() -> None:
    options = ["上海", "广州", "北京", "深圳"]
    assert letter_of("中国的首都是北京。所以是C。", options) == "C"
    assert letter_of("中国的首都是北京。所以是A。", options) is None


def test_a_short_conclusion_may_name_the_thing_where_options_hold_letters() -> None:
    assert letter_of("Es ist C.", ["Vitamin C", "Vitamin B", "Vitamin A", "Vitamin D"]) is None


@pytest.mark.parametrize("reply", ["Ответ: В) Париж", "Ответ: B) Париж"])
def test_a_cyrillic_letter_beside_its_own_option(reply: str) -> None:
    assert letter_of(reply, ["Берлин", "Париж", "Рим", "Мадрид"]) == "B"
