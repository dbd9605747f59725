"""Our own cases: conversations, the tools at hand, and what is due: calls, words, or a question back.

They live in `data/` as JSON; `docs/tools.md` says what each field means. How an answer is judged is in
`judging.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Literal

import msgspec

from tiltyard.errors import UsageError
from tiltyard.records import Json, Message, ToolCall, content_hash
from tiltyard.suites.tools.arguments import kind_of

Role = Literal["system", "user", "assistant", "tool"]
GROUPS = (
    "one call", "choice", "parallel", "none needed", "missing argument", "nested", "types",
    "after a result",
)  # fmt: skip


class ExpectedCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call that is due: a want for each argument, and arguments that meet them all."""

    name: str
    arguments: dict[str, dict[str, Any]] = {}
    example: dict[str, Any] = {}


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One conversation up to the turn that is graded. Exactly one of calls, asks, says and free is due."""

    id: str
    group: str
    tools: tuple[str, ...]
    messages: tuple[
        dict[str, Any], ...
    ]  # {"user": text}, {"system": ...}, {"says": ...}, {"calls": [...]}, {"tool": ...}
    calls: tuple[ExpectedCall, ...] = ()
    asks: tuple[str, ...] = ()  # a sentence that asks, and has one of these words
    says: tuple[tuple[str, ...], ...] = ()  # facts that the words must hold, each with its alternatives
    never: tuple[str, ...] = ()  # words that tell the opposite, or ask for something else
    free: bool = False  # any words will do
    reference: str = ""  # words that get full marks


@cache
def cases() -> tuple[Case, ...]:
    """Every shipped case, in the order of the files. Raises UsageError for broken content."""
    found: list[Case] = []
    for name in sorted(entry.name for entry in folder().iterdir() if entry.name.startswith("cases-")):
        try:
            found += msgspec.json.decode((folder() / name).read_bytes(), type=list[Case])
        except msgspec.DecodeError as error:
            raise UsageError(f"{name}: {error}", "the shipped cases are damaged: install anew") from None
    known = tool_table()
    for case in found:
        check(case, known)
    return tuple(found)


@cache
def tool_table() -> Mapping[str, Mapping[str, Json]]:
    """Every tool by its name, in the shape of a request."""
    table: dict[str, dict[str, Json]] = msgspec.json.decode((folder() / "tools.json").read_bytes())
    return {
        name: {"type": "function", "function": {"name": name, **fields}} for name, fields in table.items()
    }


@cache
def case_hashes() -> tuple[str, ...]:
    """Of each case with its tools."""
    return tuple(
        content_hash([msgspec.to_builtins(case), [dict(tool) for tool in tools_of(case)]]) for case in cases()
    )


def numbers_of(groups: Sequence[str]) -> tuple[int, ...]:
    """The numbers of the cases in some groups; of all without any."""
    return tuple(number for number, case in enumerate(cases()) if not groups or case.group in groups)


def cases_hash(groups: Sequence[str] = ()) -> str:
    """Changes with every one of these cases and with every tool that one has."""
    return content_hash([case_hashes()[number] for number in numbers_of(groups)])


def folder() -> Any:
    return resources.files("tiltyard.suites.tools") / "data"


def check(case: Case, known: Mapping[str, Json]) -> None:
    """Raises UsageError for a case that contradicts itself."""
    due = [bool(case.calls), bool(case.asks), bool(case.says), case.free]
    missing = [name for name in case.tools if name not in known]
    if missing or sum(due) != 1 or case.group not in GROUPS or (case.never and not (case.says or case.asks)):
        raise UsageError(f"{case.id}: {missing or 'what is due is not clear'}", "mend the case")
    for call in case.calls:
        for name, want in call.arguments.items():
            check_want(want, f"{case.id}: {name}")


def check_want(want: Mapping[str, Json], where: str) -> None:
    """Raises UsageError for a want that cannot be meant, however deep."""
    kind = kind_of(want, where)
    inner = want[kind].values() if kind == "object" else want[kind] if kind == "list" else ()
    for each in inner:
        check_want(each, where)


def tools_of(case: Case) -> tuple[Mapping[str, Json], ...]:
    known = tool_table()
    return tuple(known[name] for name in case.tools)


def messages_of(case: Case) -> list[Message]:
    """The conversation, with the ids that tie results to their calls."""
    found: list[Message] = []
    waiting: list[str] = []
    roles: dict[str, Role] = {"says": "assistant", "user": "user", "system": "system"}
    for number, entry in enumerate(case.messages):
        ((kind, content),) = entry.items()
        if kind == "calls":
            ids = [f"call_{number}_{place}" for place in range(len(content))]
            waiting += ids
            made = tuple(
                ToolCall(
                    name=call["name"], arguments=msgspec.json.encode(call["arguments"]).decode(), id=name
                )
                for name, call in zip(ids, content, strict=True)
            )
            found.append(Message(role="assistant", content="", tool_calls=made))
        elif kind == "tool":
            found.append(Message(role="tool", content=content, tool_call_id=waiting.pop(0)))
        else:
            found.append(Message(role=roles[kind], content=content))
    return found


def reference_calls(case: Case) -> tuple[ToolCall, ...]:
    """Calls that get full marks."""
    return tuple(
        ToolCall(name=call.name, arguments=msgspec.json.encode(call.example).decode()) for call in case.calls
    )
