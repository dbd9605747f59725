"""What the way an answer ended decides before anybody looks at its content; the same for every graded suite.

Errors of servers and networks never score; a missing ability is no wrong answer; an answer cut while the
model thought is neither. What is right is each suite's own business.
"""

from __future__ import annotations

import re

from tiltyard.records import Exchange, Grade, Outcome
from tiltyard.servers.notes import CONTEXT_REACHED

NOT_IMPLEMENTED, SERVER_ERROR = 501, 500
LIMITS = ("length", "max_tokens", "model_length")  # finish reasons; Mistral has the last one
# said by Ollama, LM Studio, llama.cpp, vLLM and SGLang when a model or its template has no such ability
NO_TOOLS = re.compile(
    r"does(?: not|n't) support (?:tools|tool|function)|tools? (?:is|are|calling is) not supported"
    r"|not support(?:ed)? (?:tools|tool cal|function cal)|--jinja|tool.call.parser|enable-auto-tool-choice"
    r"|no endpoints found that support tool use|\bbody\.tools\b"
    r"|(?:unrecognized|unknown|unexpected|unsupported|extra|additional)\b[^.]{0,60}\btools\b",
    re.IGNORECASE,
)
# said by Ollama, llama.cpp and LM Studio of what the model wrote: a call that they could not read ...
BROKEN_CALL = re.compile(
    r"\bpars(?:e|ing) (?:the |a )?(?:tool|function)[ _]call|XML syntax error on line \d|less tool calls",
    re.IGNORECASE,
)
BROKEN_ANSWER = re.compile(r"failed to parse input at pos", re.IGNORECASE)  # ... or, with tools, anything
NO_SCHEMA = re.compile(
    r"json.?schema|response_format|structured output|grammar|guided|invalid (?:json )?schema|in format\b",
    re.IGNORECASE,
)
REFUSAL = re.compile(
    r"^\W{0,3}(?:i(?:'|’)?m (?:really |very |so )?sorry\b[^.!\n]{0,80}?"
    r"\b(?:can(?:no|'|’)?t|cannot|unable|won't)"
    r"|(?:sorry|apologies|unfortunately)\b[^.!\n]{0,60}?\b(?:i|we) (?:can(?:no|')?t|cannot|won't|am unable)"
    r"|i (?:can(?:no|'|’)?t|cannot|won't|will not|am (?:not able|unable) to|must decline) "
    r"(?:to )?(?:help|assist|provide|answer|comply|do that|fulfil|fulfill|create|generate|engage|support)"
    r"|as an ai\b[^.!\n]{0,80}?\b(?:can(?:no|')?t|cannot|not able|unable)"
    r"|i(?:'|’)?m (?:not able|unable) to )",
    re.IGNORECASE,
)


def settled(exchange: Exchange) -> Grade | None:
    """The grade that the ending decides alone; None: the content must be looked at.

    error        the server, the network, or another model than the one asked
    unsupported  the server says that this model cannot be asked such a thing
    refused      the server's own refusal field, or its filter, and no other words
    truncated    nothing but thinking came before the limit
    unparsed     an empty answer
    """
    if exchange.ending != "ok":
        return unsupported(exchange) or Grade(
            outcome="error", score=0.0, rule=exchange.ending, reasons=(exchange.error or exchange.ending,)
        )
    kinds = exchange.events.kinds
    if "f" in kinds and "c" not in kinds and not exchange.tool_calls:
        return Grade(outcome="refused", score=0.0, rule="refusal_field")
    if exchange.text.strip() or exchange.tool_calls:
        return None
    if exchange.finish_reason == "content_filter":
        return Grade(outcome="refused", score=0.0, rule="content_filter")
    if answer_cut(exchange):
        where = "while thinking" if exchange.reasoning else "before anything was said"
        return Grade(outcome="truncated", score=0.0, rule="cut", reasons=(f"cut {where}",))
    return Grade(outcome="unparsed", score=0.0, rule="empty", reasons=("an empty answer",))


def unsupported(exchange: Exchange) -> Grade | None:
    """The server's word that tools or schemas are beyond it, where the request had such."""
    if exchange.ending != "http_error" or exchange.status not in (400, 404, 422, 500, 501):
        return None
    said = exchange.error or ""
    request = exchange.request
    at_all = exchange.status == NOT_IMPLEMENTED  # plain chat is: the first word before the run was one
    without_tools = bool(request.tools) and (at_all or NO_TOOLS.search(said))
    without_schema = request.response_format is not None and (at_all or NO_SCHEMA.search(said))
    if not without_tools and not without_schema:
        return None
    rule = "tools_refused" if without_tools else "schema_refused"
    return Grade(outcome="unsupported", score=0.0, rule=rule, reasons=(said,))


def broken_call(exchange: Exchange) -> Grade | None:
    """What the server calls an error, and is the model's: it wrote a call that the server could not read.

    wrong      the server says that it was a call
    unparsed   the server says only that it could not read the answer
    """
    by_server = exchange.ending == "http_error" and (exchange.status or 0) >= SERVER_ERROR
    said = exchange.error or ""
    if not exchange.request.tools or not (by_server or exchange.ending == "error_midstream"):
        return None
    is_call = BROKEN_CALL.search(said) is not None
    if not is_call and not BROKEN_ANSWER.search(said):
        return None
    why = f"the server could not read what the model wrote: {said}"
    outcome: Outcome = "wrong" if is_call else "unparsed"
    return Grade(
        outcome=outcome, score=0.0, rule="broken_call", reasons=(why,), details={"malformed_call": True}
    )


def answer_cut(exchange: Exchange) -> bool:
    """Did the answer end because a limit was reached (of tokens, or of the context)?"""
    return exchange.finish_reason in LIMITS or CONTEXT_REACHED in exchange.notes


def looks_refused(text: str) -> bool:
    """Does a text begin as a refusal does? For answers in which nothing else was found."""
    return REFUSAL.search(text[:400].lstrip()) is not None
