"""Replies to a tool's result as models write them, with a careful reader's verdict on each."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.suites.tools.test_grading import judged
from tiltyard.suites.tools.arguments import told
from tiltyard.suites.tools.cases import Case, cases

EMPTY = [
    ("No.", "correct"),
    ("no", "correct"),
    ("**No**", "correct"),
    ("No, there is nothing in your calendar on 24 December 2026.", "correct"),
    ("Your calendar is empty on that day.", "correct"),
    ("No, you have no events scheduled for December 24, 2026.", "correct"),
    ("No, there are no events in your calendar on that date.", "correct"),
    ("No, there isn't anything on your calendar for that day.", "correct"),
    ("No, your calendar is clear on 24 December 2026.", "correct"),
    ("No – you're free on Christmas Eve!", "correct"),
    ("The answer is no.", "correct"),
    ("No, I don't see any events for that day.", "correct"),
    ("Nope, nothing planned.", "correct"),
    ("No, it is empty.", "correct"),
    ("No appointments that day.", "correct"),
    ("No, there doesn't appear to be anything.", "correct"),
    ("No, 24 December 2026 has no scheduled entries.", "correct"),
    ("No, you're all clear!", "correct"),
    ("No. The calendar returned an empty list of events. You have a free day!", "correct"),
    ("No events could be loaded because of an error.", "wrong"),
    ("I checked, and it returned nothing, so I can't say.", "wrong"),
    ("I have no access to your calendar.", "wrong"),
    ("No idea.", "wrong"),
    ("There is no way to tell.", "wrong"),
    ("No, you have a dentist's appointment.", "wrong"),
    ("No, you have lunch with Ann at noon.", "wrong"),
    ("Yes.", "wrong"),
    ("Yes, you have one event on 24 December.", "wrong"),
    ("I'm sorry, but there is no tool that lets me read your calendar.", "wrong"),
    ("No, I can't check whether there are no events.", "wrong"),
    ("I know nothing about your calendar.", "wrong"),
    ("Your calendar is not empty on that day.", "wrong"),
    ("No, you do not have an appointment on 24 December 2026.", "correct"),
    ("No, you don't have an event on that day.", "correct"),
    ("No. Your calendar has no events, so you cannot miss anything.", "correct"),
    ("Answer: No", "correct"),
    ("There are 0 events.", "correct"),
    ("There are none.", "correct"),
    ("**Answer:** No", "correct"),
    ("The answer: no.", "correct"),
    ("No, there's none.", "correct"),
    ("No, your schedule is open that day.", "correct"),
    ("No, not on that day.", "correct"),
    ("No, it's free.", "correct"),
    ("No, you are not busy on that day.", "correct"),
    ("No, your calendar does not have anything on that day.", "correct"),
    ("Your calendar does not contain any events on that day.", "correct"),
    ("No, the calendar doesn't show any events.", "correct"),
    ("Yes or no? No.", "correct"),
    ("No. If you have an event to add, let me know.", "correct"),
    ("No, you have an event-free day.", "correct"),
    ("I could not find any events on that day.", "correct"),
    ("No, I don't know of any events.", "correct"),
    ("You do not have an appointment on 24 December 2026.", "correct"),
    ("No, I don't have access to your calendar.", "wrong"),
    ("No problem! Let me look.", "wrong"),
    ("I am sorry, I can't do anything about that.", "wrong"),
    ("No, you have an important meeting at noon.", "wrong"),
    ("No, I cannot see your calendar.", "wrong"),
]
ORDER = [
    ("Your order will be 6 days late; it is expected on 9 April 2026.", "correct"),
    ("It is expected on April 9, 2026, which is 6 days after the promised date.", "correct"),
    ("6", "correct"),
    ("6 days", "correct"),
    ("**Six days.**", "correct"),
    ("Order A-7 is delayed by six days: it shipped with DHL and is due on 2026-04-09.", "correct"),
    ("Expected: 9 April. Promised: 3 April. That's a 6-day delay.", "correct"),
    ("It was shipped with DHL, not with UPS, and will arrive 6 days late.", "correct"),
    ("It won't arrive on time: it will be 6 days late.", "correct"),
    ("It isn't going to be on time, but 6 days late.", "correct"),
    ("Days late: 6", "correct"),
    ("The delay is 6.", "correct"),
    ("It has not been delivered yet and will be six full days late.", "correct"),
    ("Your order will be late by 6.", "correct"),
    ("Your order A-7 has been shipped via DHL, arriving Apr 9.", "wrong"),
    ("Order A-7 was promised for 3 April and is expected on 9 April.", "wrong"),
    ("It will be 7 days late.", "wrong"),
    ("It will be 9 days late.", "wrong"),
    ("It will arrive on time.", "wrong"),
    ("It will arrive 6 days early, on 9 April.", "wrong"),
    ("It will not be late: 6 days are left.", "wrong"),
    ("It will be 6 hours late.", "wrong"),
    ("It comes with UPS, 6 days late.", "wrong"),
    ("FedEx has your order; it will be 6 days late.", "wrong"),
    ("Your order A-9 will be 6 days late.", "wrong"),
    ("I could not find order A-7.", "wrong"),
]
WEATHER = [
    ("Light snow is falling, and it feels 7 degrees colder than it is.", "correct"),
    ("Light snow. It's -3 °C but feels like -10 °C, so 7 degrees colder.", "correct"),
    ("It's snowing lightly in Oslo; it feels 7°C (12.6°F) colder than the actual -3°C.", "correct"),
    ("Snow, 7 degrees.", "correct"),
    ("It is snowing a little. The wind makes it feel seven degrees colder.", "correct"),
    ("Light snowfall; the difference is 7 °C.", "correct"),
    ("It feels like 7 degrees colder, with light snow.", "correct"),
    ("Light snow, not heavy snow, and 7 degrees colder than the air is.", "correct"),
    ("Light snow. The air is 7 degrees warmer than it feels.", "correct"),
    ("It feels 7 degrees colder than it is; no snow accumulation, but light snow is falling.", "correct"),
    ("It is -3 °C in Oslo, feels like -10 °C, with light snow.", "partial"),
    ("Light snow.", "partial"),
    ("It feels 7 degrees colder.", "partial"),
    ("Light snow, and it feels 10 degrees colder than it is.", "partial"),
    ("Light snow, and it feels 7 degrees warmer than it is.", "wrong"),
    ("Light snow, and it feels like 7 °C.", "wrong"),
    ("Light snow, and it feels 7 °F colder.", "wrong"),
    ("It feels 7 degrees colder, without any snow.", "wrong"),
    ("Heavy snow, and it feels 7 degrees colder.", "wrong"),
    ("It is snowing heavily and feels 7 degrees colder.", "wrong"),
    ("I cannot look up the weather.", "wrong"),
]
ERROR = [
    ("I cannot say: the station is closed. In 10 days, on 14 May, I can.", "correct"),
    ("10 days", "correct"),
    ("10", "correct"),
    ("The station is closed; it sends data again on 14 May 2026, ten days from today.", "correct"),
    ("I can't tell how warm it is at 71 degrees north: no data for the next 10 days.", "correct"),
    (
        "I cannot say before May 14, which is 10 days away. Typically it is about 5 °C there in May.",
        "correct",
    ),
    ("No temperature at present; it is 10 days until the station works again.", "correct"),
    ("In 10 more days.", "correct"),
    ("I don't know yet. Ask me again in ten.", "correct"),
    ("I cannot say: the station sends data again from 14 May 2026 on.", "wrong"),
    ("The station at the North Cape is closed; it sends data again from 2026-05-14 on.", "wrong"),
    ("I can tell you in 14 days.", "wrong"),
    ("It is 4 °C at the North Cape. In 10 days the station sends data.", "wrong"),
    ("It is about 5 °C at the North Cape now. The station is closed for 10 days.", "wrong"),
    ("The temperature in 10 days will be 8 °C.", "wrong"),
    ("It's -2.5 degrees Celsius; in 10 days there is data.", "wrong"),
    ("It is four degrees there. In 10 days I can say more.", "wrong"),
    ("Around 39 °F; the station sends data again in ten days.", "wrong"),
    ("The temperature is 4. The station is closed for 10 days.", "wrong"),
    ("It is 10 degrees.", "wrong"),
]
CHEAPEST = [
    ("The cheapest flight is FR4771; it costs 87 less than the dearest.", "correct"),
    ("FR4771 at €62 is the cheapest, €87 cheaper than KM613 (€149).", "correct"),
    ("**FR4771** – 87", "correct"),
    ("KM613 costs 149, FR4771 62 and AZ886 118. The cheapest is FR4771, which saves 87.", "correct"),
    ("Of KM613 (149), FR4771 (62) and AZ886 (118), FR4771 is the cheapest, by 87.", "correct"),
    ("FR 4771 is the cheapest: 149 - 62 = 87.", "correct"),
    ("It's FR4771, not KM613 or AZ886, and the difference is 87.00.", "correct"),
    ("The cheapest is FR4771 at 62. KM613, the dearest, costs 87 more.", "correct"),
    ("Compared with KM613 you save $87 with FR4771.", "correct"),
    ("FR4771 costs 87 less than KM613 and is the cheapest.", "correct"),
    ("The dearest is KM613; the cheapest is FR4771, eighty-seven less.", "correct"),
    ("FR4771 is cheapest. The next cheapest is AZ886 at 118. The dearest costs 87 more.", "correct"),
    ("Of FR4771, AZ886 and KM613 the cheapest is FR4771, 87 below KM613.", "correct"),
    ("The cheapest flight is FR4771, which costs 62.", "partial"),
    ("The difference is 87.", "partial"),
    ("KM613 for 149, the cheapest; FR4771 for 62", "wrong"),
    ("118 – AZ886, 62 – FR4771, 149 – KM613", "partial"),
    ("FR4771 is the cheapest; it costs 56 less than the dearest.", "partial"),
    ("The cheapest is KM613, 87 less than FR4771.", "wrong"),
    ("KM613 is the cheapest: it costs 87 less than FR4771.", "wrong"),
    ("The cheapest: AZ886, 87 less than the dearest, FR4771.", "wrong"),
    ("KM613 costs 87 less than FR4771.", "wrong"),
    ("FR4771 is the most expensive, by 87.", "wrong"),
    ("FR4771 is not the cheapest; the difference is 87.", "wrong"),
    ("FR4771 costs 87.", "wrong"),
    ("I cannot look up flights.", "wrong"),
]
TIP = [
    ("Each of you pays $34.20.", "correct"),
    ("$34.20", "correct"),
    ("34.2 each", "correct"),
    ("You each pay 34 dollars and 20 cents.", "correct"),
    ("The tip is $17.10, the total $102.60; split three ways that is $34.20 each.", "correct"),
    ("102.60 / 3 = 34.20", "correct"),
    ("With the tip, 34.20 per person.", "correct"),
    ("Everyone pays $34.20, tip included.", "correct"),
    ("Including a $17.10 tip, the total is $102.60, so each share with tip is **$34.20**.", "correct"),
    ("A total of $34.20 each.", "correct"),
    ("Your share with the tip is $34.20 ($28.50 + $5.70).", "correct"),
    ("The tip is $17.10 and the total is $102.60.", "wrong"),
    ("Each of you pays $102.60.", "wrong"),
    ("Each of you pays $28.50.", "wrong"),
    ("A tip of $34.20.", "wrong"),
    ("The tip is $34.20.", "wrong"),
    ("The total is $34.20.", "wrong"),
]
TWO = [
    ("ABC + XYZ is 80.50.", "correct"),
    ("One of XYZ and one of ABC costs 80.50.", "correct"),
    ("ABC costs 41, XYZ 39.50; that is 80.5.", "correct"),
    ("ABC with XYZ is 80.50.", "correct"),
    ("ABC costs 80.50 and XYZ 39.50.", "wrong"),
    ("It is 80.50 for ABC alone.", "wrong"),
    ("ABC is at 41; XYZ is 80.50.", "wrong"),
    ("Buying one ABC together with one XYZ costs 80.50.", "correct"),
    ("The price for one share of ABC together with one XYZ is 80.50.", "correct"),
    ("1 ABC + 1 XYZ is 80.50.", "correct"),
    ("One share each of XYZ and ABC is at 80.5.", "correct"),
    ("41 for ABC plus 39.50 for XYZ is 80.50.", "correct"),
    ("The price of ABC and the price of XYZ is 80.50 in total.", "correct"),
    ("XYZ is at 80.5.", "wrong"),
    ("One share of ABC costs 80.50.", "wrong"),
    ("ABC costs 41 and XYZ costs 80.50.", "wrong"),
    ("ABC is 41, and one share of XYZ is 80.50.", "wrong"),
]
CASES = {
    "result-empty": EMPTY, "result-order": ORDER, "result-cheapest": CHEAPEST, "result-tip": TIP,
    "result-weather": WEATHER, "result-error": ERROR, "result-two": TWO,
}  # fmt: skip
ALL = [(name, text, outcome) for name, replies in CASES.items() for text, outcome in replies]


@pytest.mark.parametrize(("name", "text", "outcome"), ALL)
def test_what_a_careful_reader_says(name: str, text: str, outcome: str) -> None:
    grade = judged(name, text=text)
    assert grade.outcome == outcome
    assert (grade.score == 1.0) is (outcome == "correct")


def restated(case: Case) -> Iterator[str]:
    """Replies that say what a tool said, and nothing else."""
    results = [str(message["tool"]) for message in case.messages if "tool" in message]
    values = [json.loads(result) for result in results]
    yield "\n".join(results)
    yield "The function returned: " + "; ".join(results)
    yield "\n".join(f"```json\n{json.dumps(value, indent=2)}\n```" for value in values)
    yield "\n".join("- " + line for value in values for line in lines_of(value))
    yield "Here is what I found. " + ", and ".join(line for value in values for line in lines_of(value)) + "."


def lines_of(value: object, name: str = "result") -> list[str]:
    if isinstance(value, dict):
        return [line for key, each in value.items() for line in lines_of(each, key)]
    if isinstance(value, list):
        return [", ".join(lines_of(each)) for each in value]
    return [f"{name.replace('_', ' ')}: {value}"]


RESTATED = [
    (case.id, text)
    for case in cases()
    if any("tool" in each for each in case.messages)
    for text in restated(case)
]


@pytest.mark.parametrize(("name", "text"), RESTATED)
def test_a_result_said_again_is_no_answer(name: str, text: str) -> None:
    """Where the answer has to be chosen or computed, the tool's own words do not hold it."""
    assert judged(name, text=text).outcome != "correct"
    assert judged(name, text=text, words=True).outcome != "correct"


def test_no_result_holds_all_that_has_to_be_told() -> None:
    for case in cases():
        said = " ".join(str(message["tool"]) for message in case.messages if "tool" in message)
        assert not case.says or told(said, case.says) < 1, case.id
