"""One clean line out of whatever a server calls an error.

What to do about it is for the caller to say.
"""

from __future__ import annotations

import re

from tiltyard.records import Json
from tiltyard.servers.decoding import json_in

MAX_ERROR_CHARS = 300
WEB_PAGE = "a web page answered, not a model server"
FULL = ("busy", "queue", "pending", "overload", "too many requests")  # a server with more than it can take
EMPTY_ANSWER = "the server sent an empty answer"
NOT_WHOLE = "a part of the server's stream cannot be read: the answer is not whole"
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def one_line(text: str) -> str:
    """Printable characters on one line, at most 300 of them."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= MAX_ERROR_CHARS else line[: MAX_ERROR_CHARS - 1] + "…"


def error_in(value: Json) -> str | None:
    """The message of an error object in any known envelope; None when the value is no error.

    Known: {"error": {"message": ...}} (OpenAI, llama.cpp, Ollama /v1), {"error": "..."} (Ollama, LM Studio,
    mlx), {"object": "error", "message": ...} (older vLLM), {"type": "error", "error": ...}, and
    {"detail": ...} (FastAPI, SGLang) where there is nothing else.
    """
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    if error:
        return _message(error)
    if value.get("object") == "error" or value.get("type") == "error":
        return _message(value)
    if value.get("detail") and "choices" not in value and "message" not in value:
        return _message(value["detail"])
    return None


def _message(error: Json) -> str:
    if isinstance(error, str):
        return one_line(error) or "an error without a message"
    if isinstance(error, dict):
        if isinstance(error.get("loc"), list) and error.get("msg"):  # FastAPI: which input it is about
            return one_line(f"{'.'.join(map(str, error['loc']))}: {error['msg']}")
        for key in ("message", "error", "detail", "msg", "title", "type", "code"):
            inner = error.get(key)
            if inner:
                return _message(inner)
        return "an error without a message"
    if isinstance(error, list) and error:
        return one_line("; ".join(_message(entry) for entry in error[:3]))
    return one_line(str(error))


def error_of_body(status: int | None, body: bytes) -> str:
    """One line for an error answer: the status, and what the body says."""
    head = f"HTTP {status}" if status is not None else "error"
    said = _said(body)
    return f"{head}: {said}" if said else head


def web_page(content_type: str, body: bytes) -> str | None:
    """One line about an answer that is a web page, with its title; None for any other answer.

    Never by the content type alone: small servers call every answer of theirs HTML.
    """
    start = body[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    named = "html" in content_type.casefold() and start.startswith(b"<")
    if not named and not start.startswith((b"<!doctype html", b"<html")):
        return None
    title = _TITLE.search(body[:65536].decode("utf-8", "replace"))
    said = one_line(title.group(1)) if title else ""
    return f"{WEB_PAGE} ({said})" if said else WEB_PAGE


def short_text(body: bytes) -> str | None:
    """One line of a body that is a short text; None for any other."""
    try:
        text = body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None
    return one_line(text) if len(text) <= MAX_ERROR_CHARS else None


def unframed_error(body: bytes) -> str | None:
    """The error in a line of a stream that is a JSON object without its frame; None where there is none."""
    for line in body.splitlines():
        if line.startswith(b"{"):
            found = error_in(json_in(line))
            if found is not None:
                return found
    return None


def _said(body: bytes) -> str:
    if not body.strip():
        return ""
    value = json_in(body)
    if value is None:
        text = body[:65536].decode("utf-8", "replace")
        title = _TITLE.search(text)
        return one_line(title.group(1) if title else text)
    found = error_in(value)
    if found is not None:
        return found
    return _message(value) if isinstance(value, dict) and value.get("message") else one_line(str(value))
