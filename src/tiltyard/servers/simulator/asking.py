"""From a dialect's request body to an `Ask`: messages to prompt text, options to one set of names.

The prompt text is made by one simple template for all dialects, so that every count can be checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tiltyard.servers.simulator import tokens
from tiltyard.servers.simulator.answer import Ask
from tiltyard.servers.simulator.config import SimModel
from tiltyard.servers.simulator.connection import Reply, Request, json_reply
from tiltyard.servers.simulator.faults import Faults
from tiltyard.servers.simulator.guesses import asked_for
from tiltyard.servers.simulator.schema import encode_tools

if TYPE_CHECKING:
    from tiltyard.servers.simulator.site import Site

IMAGE = " img" * 256  # what an image costs


def content_text(content: Any) -> str:
    """A message's content as text; an image counts 256 tokens."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    out = []
    for part in content:
        if isinstance(part, Mapping):
            out.append(str(part.get("text", "")) if part.get("type") in ("text", "message", None) else IMAGE)
    return "".join(out)


def template(messages: Sequence[Any], tools: Sequence[Any] = ()) -> str:
    """The prompt of a chat."""
    parts = [f"\n<tools>{encode_tools(tools)}"] if tools else []
    for message in messages:
        if not isinstance(message, Mapping):
            continue
        text = content_text(message.get("content"))
        images = message.get("images")
        if isinstance(images, Sequence) and images:
            text += IMAGE * len(images)
        calls = message.get("tool_calls")
        if calls:
            text += encode_tools(calls)
        parts.append(f"\n<{message.get('role', 'user')}>\n{text}")
    parts.append("\n<assistant>\n")
    return "".join(parts)


def last_text(messages: Sequence[Any]) -> str:
    """What the scripts look at: the last message with a text, else the empty string."""
    for message in reversed(messages):
        if isinstance(message, Mapping):
            return content_text(message.get("content"))
    return ""


def whole(value: Any) -> int | None:
    """An int, or None for anything that is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value)


def schema_of(response_format: Any) -> Any:
    """None, True for any JSON object, or the schema, out of all the spellings in use."""
    if not isinstance(response_format, Mapping):
        return None
    kind = response_format.get("type")
    inner = response_format.get("json_schema")
    if isinstance(inner, Mapping):
        return inner.get("schema", inner)
    if isinstance(response_format.get("schema"), Mapping):
        return response_format["schema"]
    return True if kind in ("json_object", "json_schema") else None


def wants_thought(model: SimModel, payload: Mapping[str, Any]) -> bool:
    """Whether to think: models that can do, unless one of the known ways says no."""
    if not model.thinks:
        return False
    kwargs = payload.get("chat_template_kwargs")
    if isinstance(kwargs, Mapping) and kwargs.get("enable_thinking") is False:
        return False
    if payload.get("reasoning_effort") == "none" or payload.get("reasoning_budget") == 0:
        return False
    return payload.get("think") is not False


def read_body(site: Site, request: Request) -> Mapping[str, Any] | Reply:
    """The JSON object in the body, or the error that answers its absence."""
    payload = request.json()
    if isinstance(payload, Mapping):
        return payload
    return site.error("bad_request", "missing request body" if not request.body else "invalid JSON body")


def refuse_key(site: Site, request: Request) -> Reply | None:
    """A 401 when the server has an API key and the request has another, or none."""
    key = site.config.api_key
    if key is None or request.headers.get("authorization") == f"Bearer {key}":
        return None
    return site.error("unauthorized", "")


def resolve(site: Site, name: Any, faults: Faults) -> SimModel | None:
    model = site.model(str(name)) if name else None
    if model is None and "wrong_model" in faults:
        return site.first
    return model


def read_openai(site: Site, request: Request, *, lenient: bool = False) -> Ask | Reply:
    """An OpenAI chat or text completion request; `lenient` servers answer any name with their own."""
    refusal = refuse_key(site, request)
    if refusal is not None:
        return refusal
    payload = read_body(site, request)
    if isinstance(payload, Reply):
        return payload
    faults, number = site.faults(request)
    model = resolve(site, payload.get("model"), faults)
    if model is None and lenient:
        model = site.first
    if model is None:
        return site.refused(faults, request, str(payload.get("model"))) or site.error(
            "not_found", str(payload.get("model"))
        )
    strict = refuse_field(payload, faults)
    if strict is not None:
        return strict
    ask = _ask(site, model, payload, faults)
    ask.number = number
    if request.path.endswith("/completions") and "/chat/" not in request.path:
        ask.options |= {"text"}
        ask.think = False  # without a template nobody tells the model to
    limit = site.engine(model).context
    if len(ask.prompt) >= limit and "truncate_context" not in faults:
        return site.error("too_long", f"{len(ask.prompt)}|{limit}")
    return ask


def refuse_field(payload: Mapping[str, Any], faults: Faults) -> Reply | None:
    """The refusals of strict servers, as OpenAI and FastAPI word them."""
    if "max_tokens_400" in faults and "max_tokens" in payload:
        said = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        return openai_error("bad_request", f"Unsupported parameter: {said}")
    if "stream_options_422" in faults and "stream_options" in payload:
        extra = {"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}
        return json_reply({"detail": [{"type": "extra_forbidden", **extra}]}, 422)
    return None


def _ask(site: Site, model: SimModel, payload: Mapping[str, Any], faults: Faults) -> Ask:
    messages = payload.get("messages")
    tools = payload.get("tools") or []
    if isinstance(messages, list):
        text, last = template(messages, tools), last_text(messages)
    else:
        prompt = payload.get("prompt", "")
        text = last = prompt if isinstance(prompt, str) else "".join(map(str, prompt))
        messages = []
    options = payload.get("stream_options")
    options = options if isinstance(options, Mapping) else {}
    flags = set()
    if site.dialect == "llamacpp":
        flags = {name for name in ("timings_per_token", "return_progress") if payload.get(name) is True}
    elif site.dialect in ("vllm", "sglang") and options.get("continuous_usage_stats") is True:
        flags = {"continuous_usage"}
    limit = payload.get("max_completion_tokens", payload.get("max_tokens", payload.get("n_predict")))
    schema = (
        schema_of(payload.get("response_format")) or payload.get("guided_json") or payload.get("json_schema")
    )
    return Ask(
        model=model,
        served=model.name,
        prompt=tokens.split(text),
        last=last,
        stream=payload.get("stream") is True,
        max_tokens=whole(limit),
        min_tokens=whole(payload.get("min_tokens")) or 0,
        ignore_eos=payload.get("ignore_eos") is True,
        think=wants_thought(model, payload),
        shifts=site.dialect == "ollama",
        tools=tools if isinstance(tools, list) else [],
        tool_choice=payload.get("tool_choice"),
        schema=schema,
        answers_tool=bool(messages)
        and isinstance(messages[-1], Mapping)
        and messages[-1].get("role") == "tool",
        seed=whole(payload.get("seed")) or 0,
        cache=payload.get("cache_prompt") is not False and not payload.get("cache_salt"),
        usage=options.get("include_usage") is True,
        options=frozenset(flags),
        logprobs=asked_for(payload),
        faults=faults,
    )


def named_below(site: Site, request: Request, page: str) -> SimModel | Reply:
    """The model whose name ends the path, after `page`; names may have folders."""
    refusal = refuse_key(site, request)
    if refusal is not None:
        return refusal
    name = request.path.removeprefix(page)
    return site.model(name) or site.error("not_found", name)


def model_list(site: Site, owner: Mapping[str, str]) -> Reply:
    """OpenAI's list of the models; `owner` is what each entry says besides."""
    return json_reply({"object": "list", "data": [_row(model, owner) for model in site.models]})


def one_model(site: Site, request: Request, owner: Mapping[str, str]) -> Reply:
    found = named_below(site, request, "/v1/models/")
    return found if isinstance(found, Reply) else json_reply(_row(found, owner))


def _row(model: SimModel, owner: Mapping[str, str]) -> dict[str, Any]:
    return {"id": model.name, "object": "model", "created": 1_760_000_000, **owner}


def openai_error(kind: str, detail: str) -> Reply:
    """OpenAI's error object."""
    if kind == "too_long":
        had, limit = detail.split("|")
        detail = (
            f"This model's maximum context length is {limit} tokens. However, you requested {had} tokens."
        )
    status, error_type, code, message = {
        "not_found": (
            404,
            "invalid_request_error",
            "model_not_found",
            f"The model `{detail}` does not exist.",
        ),
        "unauthorized": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
        "busy": (503, "server_error", None, "The server is overloaded or not ready yet."),
        "loading": (503, "server_error", None, "The model is still loading."),
        "internal": (500, "server_error", None, "The server had an error while processing your request."),
        "too_long": (400, "invalid_request_error", "context_length_exceeded", detail),
        "no_model": (400, "invalid_request_error", None, "No models loaded."),
        "bad_request": (400, "invalid_request_error", None, detail),
        "no_route": (404, "invalid_request_error", "unknown_url", f"Invalid URL ({detail})"),
    }[kind]
    return json_reply(
        {"error": {"message": message, "type": error_type, "param": None, "code": code}}, status
    )
