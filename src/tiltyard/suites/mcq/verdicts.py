"""Options one below the other, each called right or wrong: by a sign, a word, or a word and its reason.

Runs on text from `plain.py`. `rungs.py` makes a rung of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tiltyard.suites.mcq.doubt import denies, taken_back
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.names import Names, folded, mentioned

_RIGHT_SIGNS, _WRONG_SIGNS = "✅✔✓☑", "❌✗✘✖🚫☒☐"
_LISTED = re.compile(
    rf"^(?P<signs>[^\w\n(\[]{{0,12}}(?:\[[ xX{_RIGHT_SIGNS}]\][ \t]{{1,4}})?)"
    rf"(?:[Oo]ption[ \t]+)?[(\[]?(?P<letter>[A-Z])"
    rf"(?:[)\].:]|[ \t]{{0,4}}[-–—:|]|(?=[ \t|]{{0,4}}(?:[{_RIGHT_SIGNS}{_WRONG_SIGNS}]|\[[ xX]\]|$)))[)\]]?"
    r"[ \t]{0,4}(?P<rest>[^\n]*)$",
    re.MULTILINE,
)
_ROW = re.compile(
    rf"^[^\w\n]{{0,12}}(\d)[.)][ \t]([^\n]*[{_RIGHT_SIGNS}{_WRONG_SIGNS}][^\n]*)$", re.MULTILINE
)
_NEXT_LISTED = re.compile(
    r"(?<=[.;,!])[ \t](?=[ \t]{0,3}(?:[Oo]ption[ \t])?[(\[]?[A-Z][ \t]?[):.][ \t])"
    r"|(?<=[\]☐☑])[ \t]+(?=[A-Z][ \t][\[☐☑])"
)
_JUDGED = re.compile(
    r"(?:^|[-–—:,(\[.!?;][ \t]{0,4})(?:this is )?(?:(?P<right>correct|right|yes|true)"
    r"|(?P<wrong>incorrect|wrong|false|no|not correct))(?=[ \t]{0,4}(?:[-–—:.,;!()\]]|$))",
    re.IGNORECASE,
)
_VERDICT = re.compile(
    r"(?P<own>^|[-–—:,(\[][ \t]{0,4})(?:this is )?"
    r"(?:(?P<right>(?:the )?(?:correct|right)(?: (?:answer|choice|option))?)|(?P<yes>yes|true)"
    r"|(?P<wrong>incorrect|wrong|false|no|not correct))[^\w\n?]*$",
    re.IGNORECASE,
)
_OF_THE_WRONG = re.compile(  # "Mark the wrong ones:"
    r"(?:\A|\n)(?![^\n]*\b(?:right|correct|true)\b)[^\n]*\b(?:wrong|incorrect|false)\b[^\n]*:\s*\Z",
    re.IGNORECASE,
)


def called_right(raw: str, flat: str, names: Names) -> tuple[int, int] | None:
    """The option marked as right, and its place, where all stand one below the other."""
    if "\n" not in flat.strip():
        flat = _NEXT_LISTED.sub("\n", flat)
    lines = list(_LISTED.finditer(_lettered(flat, names)))
    if "".join(line["letter"] for line in lines) != LETTERS[: len(names.folded)]:
        return None
    found = _chosen_line(raw, flat, lines, names)
    if found is None or taken_back(flat, lines[-1].end(), ""):
        return None
    behind = _denied_behind(flat[lines[-1].end() :], found[0], names)
    return None if behind else found


def _denied_behind(rest: str, index: int, names: Names) -> bool:
    """Does a sentence behind the list deny what it marked: "So the answer is not Paris."?"""
    name = re.escape(names.unique[index])
    lettered = rf"\b(?:not|n['’]t)\s+(?:option\s+)?[(\[]?{LETTERS[index]}(?![\w'’])"
    named = rf"\b(?:not|n['’]t)\s+(?:the |an? )?{name}(?!\w)|(?<!\w){name}\s+(?:is|was)(?:n['’]t| not)\b"
    return re.search(lettered, rest) is not None or re.search(named, folded(rest)) is not None


def _chosen_line(raw: str, flat: str, lines: Sequence[re.Match[str]], names: Names) -> tuple[int, int] | None:
    """The one line of a list of all options that is marked, and the place of its letter."""
    before, judged = flat[: lines[0].start()], _judged(lines, names)
    if judged is not None and not denies(before) and "?" not in before:
        return judged, lines[judged].start("letter")
    alone = not (before + flat[lines[-1].end() :]).strip()
    emphasized = _in_bold(raw, lines, names) if alone else None
    if emphasized is not None:
        return emphasized, lines[emphasized].start("letter")
    if _OF_THE_WRONG.search(before[-200:]):
        return None
    marks = [_mark(line, names) for line in lines]
    chosen = [place for place, mark in enumerate(marks) if mark in ("right", "yes")]
    sure = marks.count("wrong") == len(marks) - 1 and len(marks) > 2
    if len(chosen) != 1 or not (sure or (marks[chosen[0]] == "right" and len(marks) > 1)):
        return None
    return chosen[0], lines[chosen[0]].start("letter")


def _lettered(flat: str, names: Names) -> str:
    """With letters for numbers where each row has a sign and names its number's option: "1. Paris ❌"."""
    rows = list(_ROW.finditer(flat))
    if [row[1] for row in rows] != [str(place + 1) for place in range(len(names.folded))]:
        return flat
    if any(mentioned(row[2], names) != {place} for place, row in enumerate(rows)):
        return flat
    for place, row in enumerate(rows):
        flat = flat[: row.start(1)] + LETTERS[place] + flat[row.end(1) :]
    return flat


def _in_bold(raw: str, lines: Sequence[re.Match[str]], names: Names) -> int | None:
    """The one line in bold of a list that only repeats the options."""
    if any(names.loosely(line["rest"]) != place for place, line in enumerate(lines)):
        return None
    said = [raw[line.start() : line.end()].strip(" \t-•") for line in lines]
    found = [place for place, line in enumerate(said) if re.fullmatch(r"(\*\*|__).+\1", line)]
    plain = [line for line in said if not re.search(r"\*\*|__", line)]
    return found[0] if len(found) == 1 and len(plain) == len(said) - 1 else None


def _judged(lines: Sequence[re.Match[str]], names: Names) -> int | None:
    """The one option called right where each has a verdict with its reason, "Incorrect. Berlin ..."."""
    if len(lines) < 3 or any(_JUDGED.search(name) for name in names.folded):
        return None
    said = [{match.lastgroup for match in _JUDGED.finditer(line["rest"])} for line in lines]
    right = [place for place, verdicts in enumerate(said) if verdicts == {"right"}]
    return right[0] if len(right) == 1 and said.count({"wrong"}) == len(said) - 1 else None


def _mark(line: re.Match[str], names: Names) -> str:
    """What is said of the option of a line: right, yes, wrong, or nothing."""
    said = line["signs"] + line["rest"]
    if any(sign in said for sign in _RIGHT_SIGNS):
        return "right"
    behind = not any("[" in option for option in names.options)
    box = re.search(r"\[([ xX])\]", line["signs"] + (line["rest"][:3] + line["rest"].rstrip()[-3:]) * behind)
    if box is not None:
        return "wrong" if box[1] == " " else "right"
    if any(sign in said for sign in _WRONG_SIGNS):
        return "wrong"
    found = _VERDICT.search(line["rest"])
    if found is None or names.loosely(line["rest"]) is not None:  # the option's own words
        return ""
    return found.lastgroup or ""


_RIGHT = r"(?:the )?(?:best|correct|right|yes|most \w+|ja|oui|sí|да)"
_WRONG = (
    r"(?:the )?(?:second|third|next)[- ](?:best|choice)|runner[- ]up|worst|wrong|incorrect|least \w+|not \w+"
    r"|no|nein|non|нет|eliminated|excluded|rejected|ruled out|(?:the )?(?:others?|rest)"
)
_KIND = r"(?: (?:answers?|choices?|options?|ones?))?"
_SORTED = re.compile(
    rf"(?:(?P<right>{_RIGHT})|(?P<wrong>{_WRONG})){_KIND}[ \t]{{0,2}}:[ \t]{{0,4}}"
    r"(?P<letters>(?-i:[(\[]?[A-Z](?![\w'’])[)\]]?(?:,? and |, ?| |(?=[^\w,]|\Z)))+)\W*",
    re.IGNORECASE,
)


def sorted_out(flat: str, names: Names) -> tuple[int | None, int] | None:
    """The letter under the one heading for what is right where a reply is nothing but such headings.

    "Best: C. Second best: B.", "Yes: C. No: A and B." No letter, and -1, where several are called right.
    """
    found, end = [], len(flat) - len(flat.lstrip())
    while end < len(flat):
        match = _SORTED.match(flat, end)
        if match is None:
            return None
        found.append(match)
        end = match.end()
    right = [match for match in found if match["right"]]
    if len(found) < 2 or not right:
        return None
    letter = re.fullmatch(r"\W*([A-Z])\W*", right[0]["letters"])
    wrong = "".join(match["letters"] for match in found if match["wrong"])
    if len(right) > 1 or letter is None or letter[1] in wrong:
        return None, -1
    index = LETTERS.index(letter[1])
    return (index, right[0].start("letters") + letter.start(1)) if index < len(names.folded) else (None, -1)
