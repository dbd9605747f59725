"""An option's text at the end of a sentence is an answer only where it is said of what was asked."""

from __future__ import annotations

import pytest

from tests.suites.mcq.test_extract import letter_of

GASES = ["Oxygen", "Carbon dioxide", "Nitrogen", "Methane"]
BATTLES = ["Battle of Kursk", "Battle of Stalingrad", "Battle of Moscow", "Siege of Leningrad"]
BLOOD = ["Type A", "Type B", "Type AB", "Type O"]
STORES = ["Stack", "Queue", "Tree", "Heap"]


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        (GASES, "Plants take in CO2. The gas they release is oxygen."),
        (GASES, "Plants take in CO2 and the gas they release is oxygen."),
        (GASES, "CO2 is absorbed; the by-product is oxygen."),
        (GASES, "They take up CO2, while the by-product is oxygen. It is given off."),
        (BLOOD, "The universal donor is O negative. The universal recipient is Type AB."),
        (BATTLES, "The turning point was Stalingrad. The largest tank battle was the Battle of Kursk."),
        (STORES, "Queues are FIFO, and the LIFO structure is the stack."),
        (STORES, "Queues are FIFO, whereas the LIFO structure is the stack. It is also used for calls."),
        (STORES, "It is first in, first out, but the opposite of that is a stack."),
    ],
)
def test_what_is_said_of_another_subject_is_no_answer(options: list[str], reply: str) -> None:
    assert letter_of(reply, options) is None


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        (GASES, "The gas that plants take in is carbon dioxide.", "B"),
        (GASES, "Plants need a source of carbon. Therefore, the gas is carbon dioxide.", "B"),
        (GASES, "Air holds little of it, but plants need it, so it is carbon dioxide.", "B"),
        (["12", "14", "16", "18"], "The sum of 6 and 8 is 14.", "B"),
    ],
)
def test_what_is_concluded_is_one(options: list[str], reply: str, letter: str) -> None:
    assert letter_of(reply, options) == letter


COFFEE = ["Vietnam", "Colombia", "Brazil", "Ethiopia"]


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("The correct answer is C, Brazil. Vietnam, which is option A, comes second.", "C"),
        ("\\boxed{C}\n\nVietnam, which is option A, comes second.", "C"),
        ("The answer is C. The largest producer is Vietnam, which is option A.", None),
        ("The answer is C. It is Vietnam, which is A, not C.", None),
    ],
)
def test_a_letter_told_in_passing_is_no_second_answer(reply: str, letter: str | None) -> None:
    assert letter_of(reply, COFFEE) == letter


POWER = ["Solar", "Wind", "Hydropower", "All of the above"]
SKY = ["Because the ocean reflects in it", "Because of Rayleigh scattering", "Because of the ozone layer"]
PETS = ["Cats and dogs", "Not permitted", "Neither birds nor fish", "All except horses"]


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        (["Whale", "Bat", "Both A and B", "Neither A nor B"], "Both", "C"),
        (["Whale", "Bat", "Both A and B", "Neither A nor B"], "Answer: Both", "C"),
        (POWER, "All of them.", "D"),
        (["Nitrogen", "Oxygen", "None of the above"], "Answer: None of these", "C"),
        (BATTLES, "Stalingrad", "B"),
        (BATTLES, "The answer is Stalingrad.", "B"),
        (SKY, "Rayleigh scattering", "B"),
        (BLOOD, "AB", "C"),
        (["I only", "II only", "I and III only", "I, II and III"], "I and III", "C"),
        (BATTLES, "Battle", None),
        (BATTLES, "of", None),
        (PETS, "Dogs", None),
        (PETS, "Permitted", None),
        (PETS, "Fish", None),
        (PETS, "Horses", None),
        (["No effect", "A surplus", "A shortage"], "No.", None),
        (["1 in 4", "1 in 3", "2 in 5"], "4", None),
    ],
)
def test_the_distinct_part_of_one_option_is_enough_where_nothing_else_is_said(
    options: list[str], reply: str, letter: str | None
) -> None:
    assert letter_of(reply, options) == letter


@pytest.mark.parametrize(
    ("options", "reply", "letter"),
    [
        (COFFEE, "Not Vietnam but Brazil.", "C"),
        (COFFEE, "The largest producer is not Vietnam but Brazil.", "C"),
        (COFFEE, "The largest producer is Brazil, not Vietnam.", "C"),
        (COFFEE, "It is not Brazil, not Vietnam.", None),
        (COFFEE, "The largest producer is not only Brazil but Vietnam.", None),
        (STORES, "A stack is last in, first out. So the right answer is a queue.", "B"),
        (["True", "False"], "False. The wall is too narrow to be seen from the Moon.", "B"),
        (["True", "False"], "False. It is true that it is long.", None),
        (["Yes", "No"], "No. I cannot answer that.", None),
        (["Yes", "No"], "No. Wait, that is wrong.", None),
    ],
)
def test_an_option_told_from_another_and_a_first_sentence_of_two(
    options: list[str], reply: str, letter: str | None
) -> None:
    assert letter_of(reply, options) == letter
