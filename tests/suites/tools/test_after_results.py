"""Replies to a tool's result as models write them, with a careful reader's verdict on each."""

from __future__ import annotations

import pytest

from tests.suites.tools.test_grading import judged

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
]
ORDER = [
    ("Your order A-7 has been shipped via DHL, arriving Apr 9.", "correct"),
    ("Order A-7: shipped with DHL, expected 09.04.2026.", "correct"),
    ("Your order has shipped and should arrive by 04/09/2026.", "correct"),
    ("It was dispatched with DHL; expected delivery: 09/04/2026.", "correct"),
    ("Your order A-7 is on its way with DHL and is expected to arrive on Thursday, 9 April 2026.", "correct"),
    ("Status: **Shipped**\nCarrier: DHL\nExpected delivery: **April 9, 2026**", "correct"),
    ("It's in transit with DHL and should reach you on April 9th.", "correct"),
    ("Your order A-7 has been shipped by DHL, and will be delivered on 2026-04-09.", "correct"),
    ("Shipped. ETA: Apr. 9, 2026.", "correct"),
    ("Your order is en route and due on the 9th of April.", "correct"),
    ("Your order has been shipped with DHL.", "partial"),
    ("It should arrive on April 9.", "partial"),
    ("Your order A-7 was shipped and should arrive on 4 September 2026.", "partial"),
    ("It will be shipped on April 9.", "wrong"),
    ("Your order hasn't been shipped yet; it is expected on April 9.", "wrong"),
    ("Your order was shipped on April 9, 2026.", "wrong"),
    ("Your order was shipped and has been delivered on April 9.", "wrong"),
    ("Your order A-7 is still being processed.", "wrong"),
    ("I could not find order A-7.", "wrong"),
]
CHEAPEST = [
    ("The cheapest flight is FR4771, which costs 62.", "correct"),
    ("The cheapest flight from Rome to Malta on 2026-10-01 is FR4771 at a price of €62.", "correct"),
    ("**FR4771** – $62.00", "correct"),
    ("I found KM613 for 149, FR4771 for 62 and AZ886 for 118. The cheapest is FR4771, for 62.", "correct"),
    ("FR 4771 is the cheapest at 62; AZ886 costs 118, and KM613 is the most expensive at 149.", "correct"),
    ("Of KM613 (149), FR4771 (62) and AZ886 (118), FR4771 is the cheapest.", "correct"),
    ("It's flight FR4771, not KM613 or AZ886, and costs 62.", "correct"),
    ("The cheapest flight is FR4771.", "partial"),
    ("The cheapest one costs 62.", "partial"),
    ("The cheapest is KM613 at 149, not FR4771 at 62.", "wrong"),
    ("The cheapest flight from Rome to Malta on 2026-10-01 is KM613 for 149; FR4771 costs 62.", "wrong"),
    ("AZ886 is the cheapest at 118; FR4771 has a price of 62.", "wrong"),
    ("The cheapest flight is KM613, at 149.", "wrong"),
    ("The cheapest is flight KM613 at 62.", "wrong"),
    ("I cannot look up flights.", "wrong"),
]
TIP = [
    ("A 20% tip on $85.50 is $17.10, and the total is $102.60.", "correct"),
    ("Tip: $17.10\nTotal: $102.60", "correct"),
    ("$17.10 tip, $102.60 total.", "correct"),
    ("The total comes to 102.60, of which 17.10 is the tip.", "correct"),
    ("You pay $17.10 as a tip and $102.60 altogether.", "correct"),
    ("- Tip (20%): $17.1\n- **Altogether: $102.6**", "correct"),
    ("Total: $102.60, tip: $17.10.", "correct"),
    ("The tip is $17.10.", "partial"),
    ("Altogether you pay 102.60.", "partial"),
    ("The tip is $17.10 and the total is $103.60.", "partial"),
    ("Tip: 102.60, total: 17.10", "wrong"),
    ("The tip is $102.60 and the total is $17.10.", "wrong"),
    ("The tip comes to 102.60, and you pay 17.10.", "wrong"),
    ("The tip is $12.83, so you pay $98.33.", "wrong"),
]
CASES = {"result-empty": EMPTY, "result-order": ORDER, "result-cheapest": CHEAPEST, "result-tip": TIP}
ALL = [(name, text, outcome) for name, replies in CASES.items() for text, outcome in replies]


@pytest.mark.parametrize(("name", "text", "outcome"), ALL)
def test_what_a_careful_reader_says(name: str, text: str, outcome: str) -> None:
    grade = judged(name, text=text)
    assert grade.outcome == outcome
    assert (grade.score == 1.0) is (outcome == "correct")
