"""The request body of OpenAI chat completions, which most dialects understand.

What only some dialects know is added by those, and stands here where several say it in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tiltyard.records import Json, Message, Request


def chat_body(request: Request, *, extra: Mapping[str, Json] = {}) -> bytes:
    """The body as JSON; `extra` adds or replaces fields, and None in it leaves a field out.

    What only some servers know (`ignore_eos`, `cache_prompt`, thinking switches) is for the dialect to put
    into `extra`; what the request leaves open is not sent.
    """
    body: dict[str, Json] = {
        "model": request.model,
        "messages": [message_fields(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "tools": list(request.tools) or None,
        "tool_choice": request.tool_choice if request.tools else None,  # vLLM refuses it alone
        "response_format": request.response_format,
    }
    if request.logprobs is not None:
        body["logprobs"] = True
        body["top_logprobs"] = request.logprobs or None
    body.update(extra)
    return msgspec.json.encode({key: value for key, value in body.items() if value is not None})


def message_fields(message: Message) -> dict[str, Json]:
    """One message in OpenAI's shape."""
    fields: dict[str, Json] = {"role": message.role, "content": message.content}
    if message.reasoning is not None:
        fields["reasoning_content"] = message.reasoning
    if message.tool_calls:
        fields["content"] = message.content or None
        fields["tool_calls"] = [
            {
                "id": call.id or f"call_{i}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for i, call in enumerate(message.tool_calls)
        ]
    if message.tool_call_id is not None:
        fields["tool_call_id"] = message.tool_call_id
    return fields


def thinking_switch(request: Request) -> dict[str, Any]:
    """Thinking on or off by the chat template's own switch; an effort word where the model takes one."""
    if isinstance(request.think, bool):
        return {"chat_template_kwargs": {"enable_thinking": request.think}}
    return {"reasoning_effort": request.think} if request.think else {}


def full_length(request: Request) -> dict[str, Any]:
    """An answer of all the tokens asked for, where the request wants that; as vLLM and SGLang call it."""
    if not request.ignore_eos:
        return {}
    return {"ignore_eos": True} | ({} if request.max_tokens is None else {"min_tokens": request.max_tokens})
