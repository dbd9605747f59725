"""Tools in words, for models without an interface for them: described in the prompt, called in the text.

Reading the calls out of the answer is `text_calls.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tiltyard.records import Json, Message

INSTRUCTIONS = """\
You have functions at your disposal. Each line below describes one of them as JSON, its parameters by schema:

{functions}

Whenever a request calls for one or several of these functions, reply with nothing but a JSON array, one \
object per call: [{{"name": "the function's name", "arguments": {{"parameter": value}}}}]
Where no function fits, reply in plain words. Where something required is missing, ask for it in words."""


def in_words(messages: Sequence[Message], tools: Sequence[Mapping[str, Json]]) -> list[Message]:
    """The same conversation without tool messages: calls and results become text."""
    functions = "\n".join(msgspec.json.encode(tool["function"]).decode() for tool in tools)
    system = INSTRUCTIONS.format(functions=functions)
    given = list(messages)
    if given and given[0].role == "system":
        system = f"{given.pop(0).content}\n\n{system}"
    names: dict[str, str] = {}
    found = [Message(role="system", content=system)]
    for message in given:
        for call in message.tool_calls:
            names[call.id or ""] = call.name
        if message.tool_calls:
            found.append(Message(role="assistant", content=written(message)))
        elif message.role == "tool":
            name = names.get(message.tool_call_id or "", "the function")
            found.append(Message(role="user", content=f"Result of {name}: {message.content}"))
        else:
            found.append(message)
    return found


def written(message: Message) -> str:
    """Calls as the instructions ask for them."""
    calls = [
        {"name": call.name, "arguments": msgspec.Raw(call.arguments.encode())} for call in message.tool_calls
    ]
    return msgspec.json.encode(calls).decode()
