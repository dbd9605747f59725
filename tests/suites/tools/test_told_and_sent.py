"""Arguments of the shipped cases as models send them: every right way has full marks, no wrong one has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.suites.tools.test_grading import judged
from tiltyard.suites.tools.cases import cases, tools_of

JOHN = [
    ("Hi John, we meet at 10 in the morning in room 4.", True),
    ("We meet at ten o'clock in the morning, room 4.", True),
    ("Our meeting is at 10:00 AM in Meeting Room 4. Have a nice evening!", True),
    ("We meet in room 4 at 10h00.", True),
    ("We meet at 10.00 a.m. in room no. 4.", True),
    ("We meet tomorrow morning at 10. May I ask you to come to room 4?", True),
    ("Good evening John, tomorrow at 10 o'clock sharp in room #4", True),
    ("Tomorrow, 10 May, at 10, we meet in room four.", True),
    ("We meet in room 4 at 10. The afternoon is free.", True),
    ("We meet in room 4 from 10 to 11 am.", True),
    ("Hi John, we meet at 10 pm in room 4.", False),
    ("We meet at 10:00 p.m. in room 4.", False),
    ("We meet at 10 in the evening in room 4.", False),
    ("We meet at ten o'clock at night in room 4.", False),
    ("We meet at 10 tomorrow evening in room 4.", False),
    ("We meet tomorrow evening at 10 in room 4.", False),
    ("We meet at 10h30 in room 4.", False),
    ("We meet at half past ten in room 4.", False),
    ("We meet on the 10th in room 4.", False),
    ("We meet at 9 in room 4; ten people come.", False),
    ("We meet on 10 May in room 4.", False),
]
PARTY = [
    ("Party time: Saturday 8PM.", True),
    ("It starts on Saturday at 8 p.m.", True),
    ("It starts on Saturday at 20.00.", True),
    ("It starts on Saturday at 20h.", True),
    ("Saturday, 20:00 Uhr", True),
    ("On Saturday at eight o'clock in the evening", True),
    ("Join us this Saturday evening at 8!", True),
    ("The party starts at 8 on Saturday night.", True),
    ("When: Saturday. Time: 8:00", True),
    ("It starts at 8 on Saturday. May I count on you?", True),
    ("Saturday, May 9, 8:00 PM", True),
    ("The party starts on Saturday at 8 am.", False),
    ("The party starts on Saturday at 8:00 a.m.", False),
    ("It starts on Saturday at 8 in the morning.", False),
    ("It starts on Saturday morning at eight.", False),
    ("It starts at 8 o'clock on Saturday morning.", False),
    ("The party starts on Saturday, 8 May.", False),
    ("The party is on Saturday, May 8.", False),
    ("The party is on Saturday the 8th.", False),
    ("The party is on Saturday, 20 June.", False),
    ("The party starts on Saturday at half past 8 pm.", False),
    ("It starts on Saturday at 20h30.", False),
    ("There will be 20 people on Saturday.", False),
]
LATE = [
    ("I am ten minutes late.", True),
    ("I'm 10min late", True),
    ("I'm running late. I'll be there in 10 minutes.", True),
    ("Delayed by ten (10) minutes, sorry!", True),
    ("There is a 10-minute delay.", True),
    ("Running ~10 mins behind", True),
    ("I'm 10m late", True),
    ("I'll be ten late.", True),
    ("I am ten hours late.", False),
    ("I am ten days late.", False),
    ("I am 10 seconds late", False),
    ("I am late; it is 10 o'clock.", False),
    ("I am 10 to 15 minutes late.", False),
]
MADRID = [
    ("It is sunny in Madrid, 34 °C.", True),
    ("Madrid: 34 °C (93.2 °F), sunny", True),
    ("Sunshine in Madrid, thirty-four degrees Celsius", True),
    ("34 degrees and not only sunny, but hot: full sun!", True),
    ("It is sunny in Madrid, 34 °F.", False),
    ("It is sunny in Madrid, 34 degrees Fahrenheit.", False),
    ("It is -34 °C and sunny in Madrid.", False),
    ("It is 34 °C in Madrid, not sunny.", False),
]


def mail(to: str, subject: str, body: str) -> tuple[str, Any]:
    return "send_email", {"to": to, "subject": subject, "body": body}


@pytest.mark.parametrize(("body", "right"), JOHN)
def test_a_mail_with_a_time_in_the_morning(body: str, right: bool) -> None:
    grade = judged("mail-to-john", mail("john@example.com", "Meeting Tomorrow", body))
    assert grade.outcome == ("correct" if right else "partial")


@pytest.mark.parametrize(("body", "right"), PARTY)
def test_mails_with_a_time_in_the_evening(body: str, right: bool) -> None:
    calls = [mail(f"{name}@example.com", "Party", body) for name in ("ann", "bob")]
    assert judged("parallel-mails", *calls).outcome == ("correct" if right else "partial")


@pytest.mark.parametrize(("text", "right"), LATE)
def test_a_message_with_a_span_of_time(text: str, right: bool) -> None:
    grade = judged("text-message", ("send_sms", {"number": "+4915112345678", "text": text}))
    assert grade.outcome == ("correct" if right else "partial")


@pytest.mark.parametrize(("body", "right"), MADRID)
def test_a_mail_with_a_temperature(body: str, right: bool) -> None:
    grade = judged("result-then-mail", mail("leo@example.com", "Madrid", body))
    assert grade.outcome == ("correct" if right else "partial")


CODES = {
    "France": "FR", "Italy": "IT", "Portugal": "PT", "Austria": "AT", "Ireland": "IE", "Spain": "ES",
    "Greece": "GR", "Norway": "NO", "Belgium": "BE", "USA": "US",
}  # fmt: skip
PLACES = [
    (f"{case.id}:{number}:{name}", want)
    for case in cases()
    for number, call in enumerate(case.calls)
    for name, want in call.arguments.items()
    if "place" in want
]


@pytest.mark.parametrize(("where", "want"), PLACES)
def test_a_country_has_a_name_and_a_code(where: str, want: Any) -> None:
    name, number, argument = where.split(":")
    case = next(case for case in cases() if case.id == name)
    country = next(each for each in CODES if each in want["area"])
    for said, right in ((country, True), (CODES[country], True), ("DE", False), ("Germany", False)):
        sent = [(call.name, dict(call.example)) for call in case.calls]
        sent[int(number)][1][argument] = f"{want['place'][0]}, {said}"
        assert (judged(name, *sent).outcome == "correct") is right, said


def test_an_optional_list_may_be_empty() -> None:
    for case in cases():
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools_of(case)}
        for number, call in enumerate(case.calls):
            for name, field in schemas[call.name]["properties"].items():
                if field.get("type") == "array" and name not in call.example:
                    sent = [(each.name, dict(each.example)) for each in case.calls]
                    sent[number][1][name] = []
                    assert judged(case.id, *sent).score == 1.0, (case.id, name)


@pytest.mark.parametrize(
    ("room", "right"),
    [("living room", True), ("living_room", True), ("Living-Room", True), ("living", False), ("room", False)],
)
def test_a_room_may_be_written_as_an_identifier(room: str, right: bool) -> None:
    grade = judged("type-fraction", ("set_thermostat", {"room": room, "celsius": 21.5}))
    assert grade.score == (1.0 if right else 0.5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nested-inventory", "in one go"),
        ("type-list", "in one go"),
        ("type-weekdays", "One alarm"),
        ("parallel-dice", "in one throw"),
    ],
)
def test_a_request_says_so_where_several_calls_would_do_the_same(name: str, said: str) -> None:
    case = next(case for case in cases() if case.id == name)
    assert said in case.messages[-1]["user"]
