"""Tool calls put together from the fragments of a stream, forgiving what servers get wrong.

Whether a call makes sense is not judged here.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tiltyard.records import Json, ToolCall
from tiltyard.servers.decoding import json_in


class _Call:
    __slots__ = ("arguments", "id", "kind", "name")

    def __init__(self) -> None:
        self.id: str | None = None
        self.name = ""
        self.arguments: list[str] = []
        self.kind = "string"


class ToolCalls:
    """Fragments in, calls out, in the order in which they were opened.

    A fragment belongs to the call of its `index`. Without an index, an id opens a call and no id continues
    the last one. An index that is taken by a call with another id opens a new one (Ollama gives every call
    index 0). Without both, a named fragment with arguments opens one where those of the last are complete. A
    name may be repeated or empty; arguments may come as an object.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, fragment: Json) -> str:
        """Take in one fragment; returns the text it carried (name and arguments)."""
        if not isinstance(fragment, dict):
            return ""
        function = fragment.get("function")
        if not isinstance(function, dict):
            function = {}
        id_ = fragment.get("id")
        id_ = id_ if isinstance(id_, str) and id_ else None
        name = function.get("name")
        name = name if isinstance(name, str) else ""
        call = self._call_for(fragment.get("index", function.get("index")), id_, function)
        if id_ is not None and call.id is None:
            call.id = id_
        carried = ""
        if name and not call.name:
            call.name = name
            carried = name
        return carried + self._arguments(call, function.get("arguments"))

    def _call_for(self, index: Json, id_: str | None, function: Mapping[str, Json]) -> _Call:
        if isinstance(index, int) and not isinstance(index, bool):
            call = self._by_index.get(index)
            other = call is not None and id_ is not None and call.id is not None and call.id != id_
            if call is None or other or (id_ is None and _begins_another(call, function)):
                call = self._open()
                self._by_index[index] = call
            return call
        if not self._calls:
            return self._open()
        last = self._calls[-1]
        if id_ is not None:
            return last if last.id == id_ else self._open()
        whole = isinstance(function.get("arguments"), dict) and bool(function.get("name"))
        return self._open() if whole or _begins_another(last, function) else last

    def _open(self) -> _Call:
        call = _Call()
        self._calls.append(call)
        return call

    @staticmethod
    def _arguments(call: _Call, arguments: Json) -> str:
        if isinstance(arguments, str):
            call.arguments.append(arguments)
            return arguments
        if arguments is None or (arguments == {} and call.arguments):
            return ""
        text = msgspec.json.encode(arguments).decode()
        call.arguments = [text]  # an object is the whole of them
        call.kind = "object"
        return text

    def finished(self) -> tuple[ToolCall, ...]:
        return tuple(
            ToolCall(
                name=call.name,
                arguments="".join(call.arguments),
                id=call.id,
                arguments_kind="object" if call.kind == "object" else "string",
            )
            for call in self._calls
        )


def _begins_another(call: _Call, function: Mapping[str, Json]) -> bool:
    """Does a fragment without an id begin another call? This one has a name and all of its arguments."""
    arguments = function.get("arguments")
    if not function.get("name") or not call.name:
        return False
    if not isinstance(arguments, str) or not arguments.lstrip().startswith("{"):
        return False
    if not call.arguments or not call.arguments[-1].rstrip().endswith("}"):
        return False
    return json_in("".join(call.arguments).encode("utf-8", "replace")) is not None
