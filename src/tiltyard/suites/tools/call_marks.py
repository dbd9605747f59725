"""Does a text look like a call of a tool, in one of the notations that models are trained to write?

For calls that nobody turned into calls: they are neither calls nor plain words. Reading those that can be
read is `text_calls.py`'s.
"""

from __future__ import annotations

import ast
import builtins
import re
import warnings

from tiltyard.suites.tools.calls import NAMESPACES, Schemas

LONGEST_CODE = 20_000  # characters of Python's syntax that are looked at
NAMES = ("name", "tool", "function", "tool_name", "function_name")
MARKS = re.compile(
    r"<function=[\w.:-]+>"  # Llama 3, Qwen3-Coder
    r"|<invoke\s+name="
    r"|<\|python_tag\|>"
    r"|<\|tool_calls?(?:_section)?_begin\|>"  # Kimi
    r"|<｜tool▁calls?▁begin｜>"  # DeepSeek
    r"|<start_function_call>"  # FunctionGemma
    r"|<\|START_ACTION\|>"  # Command
    r"|\bto=functions\.\w"  # gpt-oss
    r"|\[TOOL_CALLS\]"
    r"|^[ \t]*```[ \t]*tool_(?:code|calls?)\b"  # Gemma
    r"|^\W{0,4}action\b\W{1,4}\w[^\n]*\n+\W{0,4}action[ _]input\b",  # ReAct
    re.IGNORECASE | re.MULTILINE,
)
KEY = r"[\"'](?:" + "|".join(NAMES) + r")[\"']\s*:\s*"
JSON_CALL = re.compile(  # its keys in quotes or not
    r"(?:\b|[\"'])(?:" + "|".join(NAMES) + r")[\"']?\s*:\s*"
    r"[\"'][\w.-]{1,100}[\"']\s*,\s*[\"']?(?:arguments|parameters|args)[\"']?\s*:"
)


def looks_like_call(text: str, schemas: Schemas) -> bool:
    return (
        MARKS.search(text) is not None
        or JSON_CALL.search(text) is not None
        or names_a_tool(text, schemas)
        or is_python_call(text)
    )


def names_a_tool(text: str, schemas: Schemas) -> bool:
    """Does a known tool's name stand where a call has it: in JSON, in a tag, right before arguments?"""
    if not any(name in text for name in schemas):
        return False
    name = rf"(?:{NAMESPACES})?(?:{'|'.join(re.escape(name) for name in schemas)})"
    return (
        re.search(
            rf"{KEY}[\"']{name}[\"']"
            rf"|[\"']\s*:\s*[\"']{name}[\"']\s*,\s*[\"']"  # under any key, before another
            rf"|<(?:tool|function|name|tool_name|function_name)>\s*{name}\s*</"
            rf"|^[ \t]*(?:(?:>>>|call:)[ \t]*)?{name}[`*]{{0,3}}:?\s*\{{"  # Functionary, GLM-4
            rf"|(?:<\|recipient\|>|✿FUNCTION✿:)\s*{name}\b|<{name}(?:>\s*<\w|\s+\w+=)"
            rf"|“(?:{'|'.join(NAMES)})”\s*:\s*“{name}”"
            rf"|^\W{{0,6}}(?i:tool|function|name)(?i: name)?\W{{1,6}}{name}\W{{0,6}}\n\W{{0,6}}"
            r"(?i:tool |function )?(?i:input|arguments|args|parameters)\b",
            text,
            re.MULTILINE,
        )
        is not None
    )


def is_python_call(text: str) -> bool:
    """Is all of it calls with named arguments, or lists of any calls, as Python writes them, of any names?"""
    code = text.strip()
    if len(code) > LONGEST_CODE or not code.endswith((")", "]")):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd escapes in the text that is looked at
            statements = ast.parse(code, mode="exec").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(isinstance(each, ast.Expr) and is_call(each.value) for each in statements)


def is_call(node: ast.expr) -> bool:
    listed = isinstance(node, ast.List)
    calls = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    return bool(calls) and all(
        isinstance(call, ast.Call)
        and (listed or bool(call.keywords and not call.args))
        and not (isinstance(call.func, ast.Name) and hasattr(builtins, call.func.id))
        for call in calls
    )
