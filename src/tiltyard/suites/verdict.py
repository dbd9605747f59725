"""What the way an answer ended decides before anybody looks at its content; the same for every graded suite.

Errors of servers and networks never score; a missing ability is no wrong answer; an answer cut while the
model thought is neither. What is right is each suite's own business.
"""

from __future__ import annotations

import re

from tiltyard.records import Exchange, Grade
from tiltyard.servers.notes import CONTEXT_REACHED

NOT_IMPLEMENTED = 501
# said by Ollama, LM Studio, llama.cpp, vLLM and SGLang when a model or its template has no such ability
NO_TOOLS = re.compile(
    r"does(?: not|n't) support (?:tools|tool|function)|tools? (?:is|are|calling is) not supported"
    r"|not support(?:ed)? (?:tools|tool cal|function cal)|--jinja|tool.call.parser|enable-auto-tool-choice"
    r"|no endpoints found that support tool use|\bbody\.tools\b"
    r"|(?:unrecognized|unknown|unexpected|unsupported|extra|additional)\b[^.]{0,60}\btools\b",
    re.IGNORECASE,
)
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


def answer_cut(exchange: Exchange) -> bool:
    """Did the answer end because a limit was reached (of tokens, or of the context)?"""
    return exchange.finish_reason == "length" or CONTEXT_REACHED in exchange.notes


def looks_refused(text: str) -> bool:
    """Does a text begin as a refusal does? For answers in which nothing else was found."""
    return REFUSAL.search(text[:400].lstrip()) is not None
