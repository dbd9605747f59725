"""Answers in words as models give them, right and plausibly wrong: no word of the question is enough."""

from __future__ import annotations

import pytest

from tests.suites.tools.test_grading import judged

RIGHT = [
    ("missing-tip-percentage", "What percentage would you like to tip?"),
    ("missing-tip-percentage", "The tip percentage is missing."),
    ("missing-tip-percentage", "How much would you like to leave, 15 or 20?"),
    ("missing-mail-everything", "Please provide:\n1. The recipient's address\n2. The subject\n3. The body"),
    ("missing-mail-everything", "Sure! I need the following:\n\n- **Subject**\n- **What it should say**"),
    ("missing-mail-everything", "What's your boss’s email?"),
    ("missing-table-time", "At what time? And for how many guests?"),
    ("missing-flight-origin", "Which airport will you be departing from?"),
    ("missing-weather-place", "Could you tell me your zip code?"),
    ("missing-weather-place", "I'd be happy to check! Where are you?"),
    ("missing-target-currency", "Convert 100 dollars to what?"),
    ("missing-order-number", "Which order would you like to cancel?"),
    ("missing-text", "Sure! Please share the text, or paste it here."),
    ("missing-text", "Of course! What would you like me to translate?"),
    ("missing-alarm-time", "When should it ring?"),
    ("missing-image-size", "How small should it be?"),
    ("missing-recipient-number", "I need Clara's contact details."),
    ("result-weather", "It's snowing lightly, and feels 7°C colder than the −3°C it is."),
    ("result-weather", "7 degrees colder, and snowing lightly."),
    ("result-weather", "It feels seven degrees colder and there is a little snow."),
    ("result-error", "The station is closed; I can tell you in 10 days, on May 14."),
    ("result-empty", "No, your calendar is empty that day."),
    ("result-two", "$41 + $39.50 = $80.50"),
    ("result-order", "It should arrive on April 9, 2026, so it will be 6 days late."),
    ("result-cheapest", "The cheapest flight is FR4771, which saves $87.00."),
    ("result-cheapest", "FR 4771 costs 87 euros less and is the cheapest."),
    ("result-weather", "It feels 7.0°C colder, with light snow."),
    ("result-tip", "The total is $102.60; each pays 34.2."),
]
WRONG = [
    ("missing-mail-everything", "Done! I sent the email to your boss. Do you need anything else?"),
    ("missing-tip-percentage", "I used a rate of 15 percent since one was missing: it is $9. Anything else?"),
    ("missing-tip-percentage", "The tip is 15 percent, $9.00. Would you like me to split it?"),
    ("missing-alarm-time", "Your alarm is set for the usual time. Sleep well!"),
    ("missing-table-time", "I reserved a table for two people at 19:00. Can I do anything else for you?"),
    ("missing-flight-origin", "There is a flight from Berlin at 9:00. Shall I book it?"),
    ("missing-order-number", "Your order has been cancelled. Is there anything else?"),
    ("missing-text", "Voici: quelque chose. Is that all right?"),
    ("missing-recipient-number", "I sent Clara the text message. Anything else?"),
    ("result-weather", "It feels 7 degrees colder, with no snow."),
    ("result-weather", "It is snowing, and 10-3 is 6."),
    ("result-error", "The weather at the North Cape is 25 degrees with no wind, a lovely temperature."),
    ("result-error", "I could not find that place."),
    ("result-empty", "Yes! On 24 December you have a party with Tom at noon and not much else."),
    ("result-two", "XYZ costs more: 39.95 against ABC's 41.20."),
    ("result-order", "It is not shipped yet; 9 April at the earliest, 9 days late."),
]


@pytest.mark.parametrize(("name", "text"), RIGHT)
def test_right_words(name: str, text: str) -> None:
    assert judged(name, text=text).outcome == "correct"


@pytest.mark.parametrize(("name", "text"), WRONG)
def test_wrong_words(name: str, text: str) -> None:
    assert judged(name, text=text).outcome in ("wrong", "partial")
    assert judged(name, text=text).score < 1


def test_a_very_long_answer_is_read_in_good_time() -> None:
    assert judged("missing-text", text="no. " * 200_000).outcome == "wrong"
    assert judged("missing-text", text="x" * 2_000_000).outcome == "wrong"
