"""Rows as public sets have them: their own fields, keys and ways to write an answer, and no wrong key."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tiltyard.errors import UsageError
from tiltyard.suites.mcq.reading import QuestionSet

Fields = dict[str, object]
TRUTHFUL = {"question": "Is it?", "mc2_targets": {"choices": ["a", "b", "c"], "labels": [1, 1, 0]}}
SCIQ = {
    "question": "Which gas?",
    "distractor3": "neon",
    "distractor1": "argon",
    "distractor2": "xenon",
    "correct_answer": "oxygen",
    "support": "Animals breathe.",
}
SOCIAL = {
    "context": "Kim left.",
    "question": "Why?",
    "answerA": "tired",
    "answerB": "glad",
    "answerC": "ill",
}
PIQA = {"goal": "Boil an egg", "sol1": "in water", "sol2": "in sand"}
COPA: Fields = {"premise": "It was warm.", "choice1": "sun", "choice2": "rain", "question": "cause"}
ARRAYS = """{{'text': array(["it's", 'a (b), c'],
      dtype={0}), 'label': array(['A', 'B'], dtype={0})}}"""
WINO = {"sentence": "The cup fell off the desk as _ was round.", "option1": "cup", "option2": "desk"}


def jsonl(folder: Path, *rows: Fields) -> QuestionSet:
    path = folder / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return QuestionSet([path])


def table(folder: Path, *rows: Fields) -> QuestionSet:
    """The same rows as pandas writes them: a list as Python shows it."""
    path = folder / "x.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return QuestionSet([path])


def right(found: QuestionSet) -> list[str]:
    """The texts of the right options."""
    assert not found.bad, found.bad
    return [(row := found.row(number)).options[row.answer] for number in range(len(found))]


@pytest.mark.parametrize("write", [jsonl, table])
@pytest.mark.parametrize(
    ("rows", "answers"),
    [
        ([{**SOCIAL, "label": "3"}, {**SOCIAL, "label": "1"}], ["ill", "tired"]),
        ([{**PIQA, "label": 0}, {**PIQA, "label": 1}], ["in water", "in sand"]),
        ([{**WINO, "answer": "1"}, {**WINO, "answer": "2"}], ["cup", "desk"]),
        ([{**WINO, "answer": "option1"}], ["cup"]),
        ([SCIQ], ["oxygen"]),
        ([{"question": "?", "ans0": "x", "ans1": "y", "ans2": "z", "label": n} for n in (0, 2)], ["x", "z"]),
        ([{**TRUTHFUL, "mc1_targets": {"choices": ["yes", "no", "so"], "labels": [0, 1, 0]}}], ["no"]),
        ([{"question": "?", "mc1_targets": {"It is so": 0, "It is not": 1}}], ["It is not"]),
        ([{"question": "?", "mc0_targets": {"It is so": 1, "It is not": 0}}], ["It is so"]),
        ([{"question": "?", "options": ["a", "it's", 'a "b"'], "answer": n} for n in (0, 2)], ["a", 'a "b"']),
        ([{"question": "?", "options": {"text": ["x", "y"], "label": ["A", "B"]}, "answer": "B"}], ["y"]),
        ([{"question": "?", "choices": ARRAYS.format("object"), "answerKey": "B"}], ["a (b), c"]),
        ([{"question": "?", "choices": ARRAYS.format("'<U8'"), "answerKey": "B"}], ["a (b), c"]),
        ([{**COPA, "label": 0}, {**COPA, "premise": "It rained.", "label": 1}], ["sun", "rain"]),
    ],
)  # fmt: skip
def test_public_sets_are_read(
    tmp_path: Path, write: type[QuestionSet], rows: list[Fields], answers: list[str]
) -> None:
    assert right(write(tmp_path, *rows)) == answers


def test_a_set_that_gives_the_right_option_first_has_no_order(tmp_path: Path) -> None:
    choices = {"choices": ["yes", "no"], "labels": [1, 0]}
    found = jsonl(
        tmp_path, {"question": "1?", "mc1_targets": choices}, {"question": "2?", "options": choices}, SCIQ
    )
    assert [found.row(number).drawn for number in range(3)] == [True, False, True]


@pytest.mark.parametrize(
    "rows", [[{**PIQA, "label": 1}], [{**WINO, "answer": "1"}], [{**SOCIAL, "label": "2"}]]
)
def test_numbers_that_may_be_from_0_or_from_1_are_asked_about(tmp_path: Path, rows: list[Fields]) -> None:
    with pytest.raises(UsageError, match="several ways"):
        jsonl(tmp_path, *rows)


def test_an_answer_in_full_tells_from_where_numbers_count(tmp_path: Path) -> None:
    row = {"question": "?", "options": [*"xyz"], "answer": 1, "answer_text": "y"}
    assert right(jsonl(tmp_path, row, {**row, "question": "2?"})) == ["y", "y"]
    with pytest.raises(UsageError, match="several ways"):
        jsonl(tmp_path, {**row, "answer_text": ""})
    found = jsonl(tmp_path, row, {**row, "answer": 0, "answer_text": "x"}, {**row, "answer_text": "x"})
    assert [each.reason for each in found.bad] == ["the answer '1' and its text 'x' disagree"]


TWO: Fields = {"question": "?", "options": ["a", "b"], "answer": "A"}
FULL: Fields = {"question": "?", "answer": "A"}
NO_LIST = "the options are no list, as JSON or Python writes one"
NO_ANSWER = "no answer in it: its fields are question, options"


def marks(*labels: int, **more: object) -> Fields:
    return {"question": "?", "options": {"choices": ["a", "b", "c"], "labels": labels}, **more}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (TRUTHFUL, "2 of its options are marked as right instead of one"),
        (marks(0, 0, 0), "none of its options is marked as right instead of one"),
        (marks(0, 1), "2 labels for 3 options"),
        (marks(1, 0, 0, answer="B"), "the answer 'B' and 'a', which is marked as right, disagree"),
        (marks(1, 1, 0, answer="B"), "2 of its options are marked as right instead of one"),
        ({"question": "?", "options": {"A": 1, "B": 0}}, NO_ANSWER),
        ({**TWO, "answer": ["A", "B"]}, "2 answers in it instead of one"),
        ({**TWO, "answer": []}, f"{NO_ANSWER}, answer; answer, correct answer"),
        ({**TWO, "answer": " "}, f"{NO_ANSWER}, answer; answer, correct answer"),
        ({**FULL, "text": "x"}, "no options in it: its fields are question, answer, text; options, choices"),
        ({"text": "x", "answer": "A"}, "no question in it: its fields are text, answer; question, prompt"),
        ({**FULL, "options": {"C": "x", "B": "y"}}, "the answer 'A' is none of the options' labels"),
        ({**FULL, "options": {"2": "x", "1": "y"}}, "the answer 'A' is none of the options' labels"),
        (
            {**FULL, "options": {"1": "x", "2": "y"}, "answer": 0},
            "the answer '0' is none of the options' labels",
        ),
        ({**WINO, "answer": "option3"}, "the answer 'option3' is none of the options' names"),
        ({**FULL, "options": "a b"}, NO_LIST),
        ({**FULL, "options": "['a' 'b', 'c']"}, NO_LIST),
        ({**FULL, "options": "[open('x'), 'b']"}, NO_LIST),
        ({**FULL, "options": "['\\d', 'b']"}, NO_LIST),
        ({**FULL, "options": "[" * 5_000}, NO_LIST),
        ({**FULL, "options": "{'a', 'b'}"}, "no list of options in it"),
    ],
)
def test_a_row_without_one_right_option_is_refused_with_its_fields(
    tmp_path: Path, row: Fields, reason: str
) -> None:
    found = jsonl(tmp_path, row)
    assert (len(found), len(found.bad)) == (0, 1)
    assert found.bad[0].reason.startswith(reason)


@pytest.mark.parametrize(
    "answer", ["B", ["B"], "b)", "Option B", "option_b", "optionB", "Choice (B)", "answer: B", ["y"], [1], 1]
)
def test_ways_to_write_an_answer(tmp_path: Path, answer: object) -> None:
    rows = [{"question": "?", "options": ["x", "y", "z"], "answer": each} for each in (answer, answer)]
    rows[1] = {"question": "0?", "options": ["x", "y"], "answer": 0} if answer in (1, [1]) else rows[1]
    assert right(jsonl(tmp_path, *rows))[0] == "y"


@pytest.mark.parametrize(
    ("answers", "places"),
    [(["option2", "option 3"], [1, 2]), (["option_0", "option2"], [0, 2]), (["Choice 3", "1"], [2, 0])],
)
def test_numbers_behind_a_word_count_from_where_the_others_do(
    tmp_path: Path, answers: list[str], places: list[int]
) -> None:
    found = jsonl(tmp_path, *({"question": each, "options": [*"xyz"], "answer": each} for each in answers))
    assert [found.row(number).answer for number in range(2)] == places


def test_a_word_and_a_number_may_not_be_the_number_that_is_an_option(tmp_path: Path) -> None:
    """ "option2" is a place, never the option 2."""
    row = {"question": "?", "options": ["2", "4", "6"]}
    assert right(jsonl(tmp_path, {**row, "answer": "option2"}, {**row, "answer": "option3"})) == ["4", "6"]


def test_an_option_that_reads_like_a_place_is_named_by_its_text(tmp_path: Path) -> None:
    assert right(
        jsonl(tmp_path, {"question": "?", "options": ["Option B", "Option A"], "answer": "Option A"})
    ) == ["Option A"]


def test_columns_from_0_are_named_by_their_numbers(tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "option_0": "x", "option_1": "y", "answer": f"option {n}"} for n in (1, 1)]
    assert right(table(tmp_path, *rows)) == ["y", "y"]


def test_rows_with_a_letter_say_nothing_for_a_number(tmp_path: Path) -> None:
    row = {"question": "?", "options": {"A": "one", "B": "two", "C": "six"}}
    answers = ("A", "b", "(C)", "Two", "0")
    found = jsonl(tmp_path, *({**row, "question": each, "answer": each} for each in answers))
    assert [found.row(number).answer for number in range(len(found))] == [0, 1, 2, 1]
    assert [each.reason for each in found.bad] == ["the answer '0' is no letter from A to C"]
    row = {"question": "?", "options": {"A": "3", "B": "2", "C": "1"}}
    assert jsonl(tmp_path, {**row, "answer": "A"}, {**row, "answer": "3"}).bad_count == 1


def test_labels_in_another_order_settle_a_letter(tmp_path: Path) -> None:
    row = {"question": "?", "options": {"B": "x", "A": "y", "C": "z"}}
    assert right(jsonl(tmp_path, {**row, "answer": "a"}, {**row, "answer": "(B)"})) == ["y", "x"]
    labelled = {"question": "?", "options": ["B) x", "A) y"], "answer": "Option A"}
    assert jsonl(tmp_path, labelled).bad[0].reason.endswith("in another order: what is 'A'?")


@pytest.mark.parametrize(
    "text", ['["x", "y, z"]', "['x', 'y, z']", "('x', 'y, z')", "['x' 'y, z']", "['x'\n \"y, z\"]"]
)
def test_lists_as_text(tmp_path: Path, text: str) -> None:
    found = table(tmp_path, {"question": "?", "choices": text, "answer": "B"})
    assert (found.row(0).options, right(found)) == (("x", "y, z"), ["y, z"])


def test_options_of_their_own_outweigh_wrong_answers(tmp_path: Path) -> None:
    row = {"question": "?", "options": [*"xyz"], "answer": "B", "distractor1": "x", "distractor2": "z"}
    assert right(jsonl(tmp_path, row)) == right(table(tmp_path, row)) == ["y"]


@pytest.mark.parametrize("write", [jsonl, table])
def test_of_several_passages_the_first_that_is_not_blank_counts(
    tmp_path: Path, write: type[QuestionSet]
) -> None:
    row = {"question": "Q?", "A": "x", "B": "y", "answer": "A", "passage": " ", "context": "The text."}
    found = write(tmp_path, row, {**row, "passage": "A poem."})
    assert [found.row(number).question for number in range(2)] == ["The text.\n\nQ?", "A poem.\n\nQ?"]


def test_what_the_question_holds_already_is_not_put_before_it(tmp_path: Path) -> None:
    swag = {"ctx_a": "A man sits.", "ctx_b": "he", "ctx": "A man sits. He", "endings": ["runs", "eats"]}
    read = {"question": "Read: A short  poem. Why?", "passage": "A short poem."}
    found = jsonl(
        tmp_path,
        {**swag, "context": "A man sits.", "label": "1"},
        {**swag, "context": "[header] Sitting", "label": "0"},
        {**read, "endings": [*"ab"], "label": "1"},
        {**read, "endings": [*"ab"], "label": "1", "passage": "Read:"},
    )
    asked = [swag["ctx"], swag["ctx"], read["question"], f"Read:\n\n{read['question']}"]
    assert [found.row(n).question for n in range(4)] == asked


def test_a_header_that_lacks_a_column_is_refused_with_its_names(tmp_path: Path) -> None:
    row: Fields = {"question": "?", "A": "x", "B": "y", "answer": "A"}
    for lacking, would in (("answer", "label"), ("B", "option 1"), ("question", "prompt")):
        with pytest.raises(UsageError) as caught:
            table(tmp_path, {"note": "", **{name: cell for name, cell in row.items() if name != lacking}})
        assert "it has note, " in str(caught.value)
        assert would in caught.value.remedy


def test_a_first_row_of_such_words_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("Which is best?,gold,1,2,3,A\nNext?,a,b,c,d,B\n", encoding="utf-8")
    assert right(QuestionSet([path])) == ["gold", "b"]


@pytest.mark.parametrize("write", [jsonl, table])
@pytest.mark.parametrize("name", ["premise", "narrative", "hint", "text", "story", "paragraph", "background"])
def test_passages_of_public_sets_are_asked(tmp_path: Path, write: type[QuestionSet], name: str) -> None:
    """COPA, MuSR, ScienceQA, LogiQA2 and others."""
    row = {"question": "Who?", "A": "x", "B": "y", "answer": "A", name: "Kim saw Lee."}
    assert write(tmp_path, row).row(0).question == "Kim saw Lee.\n\nWho?"


def test_answers_that_are_kept_back(tmp_path: Path) -> None:
    """MedMCQA's test split."""
    row = {"question": "?", "opa": "x", "opb": "y", "opc": "z", "opd": "u", "cop": -1}
    found = jsonl(tmp_path, row, row)
    assert len(found) == 0
    assert found.bad[0].reason == "there is no answer: it is -1, as where a set keeps its answers back"
