"""Names are somebody else's text."""

from __future__ import annotations

import pytest

from tiltyard.errors import ModelNotFound
from tiltyard.servers.names import (
    active_amount,
    amount,
    match,
    mistyped,
    nearest,
    not_found,
    quantization,
    same_model,
    shown,
    tells_experts,
)

ODD = [
    "hf.co/unsloth/Qwen3-4B-GGUF:Q4_K_M",
    "../../etc/passwd",
    "a model with spaces",
    "🦙 llama 🦙",
    "x" * 300,
    "名前:最新",
]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_found_and_shown(name: str) -> None:
    assert match(name, [*ODD, "other"]) == name
    error = not_found(name[:-1] + "?", [*ODD], "ollama at http://h")
    assert isinstance(error, ModelNotFound)
    assert "\n" not in str(error)
    assert len(str(error)) < 200
    assert shown(name)[:10] in error.remedy


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert shown("a\x1b[31mb\u2028c") == "a\\x1b[31mb\\x2028c"


def test_a_name_without_its_tag_is_the_latest() -> None:
    assert match("qwen3", ["qwen3:latest", "qwen3:8b"]) == "qwen3:latest"
    assert match("QWEN3:8B", ["qwen3:latest", "qwen3:8b"]) == "qwen3:8b"
    assert match("qwen3-8b", ["/models/Qwen3-8B.gguf"]) == "/models/Qwen3-8B.gguf"


def test_another_publisher_s_model_is_not_meant() -> None:
    assert match("Qwen/qwen3-8b", ["unsloth/qwen3-8b"]) is None
    assert match("qwen3-8b", ["unsloth/qwen3-8b"]) == "unsloth/qwen3-8b"
    assert match("Qwen/Qwen3-8B", ["qwen3-8b"]) == "qwen3-8b"
    assert match("hf.co/unsloth/qwen3-8b", ["unsloth/qwen3-8b"]) == "unsloth/qwen3-8b"
    assert match("Qwen/qwen3-8b", ["/models/unsloth/qwen3-8b.gguf"]) == "/models/unsloth/qwen3-8b.gguf"


def test_an_ambiguous_name_matches_nothing() -> None:
    assert match("m", ["a/m.gguf", "b/m.gguf"]) is None


def test_nearest_names_come_best_first() -> None:
    known = ["qwen3:8b", "qwen3:14b", "llama3.2:3b", "phi4"]
    assert nearest("qwen3:8bb", known)[0] == "qwen3:8b"
    assert nearest("llama", known)[0] == "llama3.2:3b"
    assert nearest("zzz", []) == []


def test_not_found_lists_what_there_is_when_nothing_is_near() -> None:
    assert "it has phi4" in not_found("zzzzzz", ["phi4"], "s").remedy
    assert "no models at all" in not_found("zzzzzz", [], "s").remedy


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("qwen3", "qwen3:latest"),
        ("Qwen3-8B", "qwen3-8b"),
        ("qwen/qwen3-8b", "qwen3-8b"),
        ("qwen3-8b@q4_k_m", "qwen3-8b"),
        ("QWEN3:8B", "qwen3:8b"),
        ("/models/qwen3.gguf", "qwen3"),
        ("qwen3", "C:\\models\\Qwen3.gguf"),
        ("org/qwen3", "/srv/models/qwen3"),
        ("hf.co/unsloth/Qwen3-4B-GGUF:Q4_K_M", "unsloth/Qwen3-4B-GGUF:q4_k_m"),
        ("unsloth/Qwen3-4B-GGUF:Q4_K_M", "/models/Qwen3-4B-Q4_K_M.gguf"),
        ("qwen3-8b", "lmstudio-community/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf"),
        ("x/my-model.gguf", "/models/my-model-Q4_K_M.gguf"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("m", None),
        ("m", ""),
    ],
)
def test_names_of_the_same_model(asked: str, served: str | None) -> None:
    assert same_model(asked, served)


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("qwen3:8b", "qwen3:14b"),
        ("qwen3-8b", "llama-3.2-3b"),
        ("a", "b"),
        ("fast:7b", "fast:7b-mini"),
        ("fast:7b", "fast:7b-thinking"),
        ("fast:7b", "fast:7b-2507"),
        ("fast:7b", "fast"),
        ("my:1", "my:2"),
        ("llama", "llama-3.3-70b"),
        ("qwen2.5", "qwen2.5-72b"),
        ("qwen3-4b", "qwen3-4b-2507"),
        ("qwen3-4b-2507", "qwen3-4b"),
        ("qwen3@q4_k_m", "qwen3@q8_0"),
        ("/models/qwen3-Q4_K_M.gguf", "/models/qwen3-Q8_0.gguf"),
        ("qwen3:8b", "qwen3:8b-q8_0"),
        ("qwen3", "qwen3:q8_0"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B-AWQ"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"),
        ("qwen/qwen3-8b", "somebody/qwen3-8b"),
    ],
)
def test_names_of_another_model(asked: str, served: str) -> None:
    assert not same_model(asked, served)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Qwen3-8B-Q4_K_M.gguf", "Q4_K_M"),
        ("unsloth/Qwen3-GGUF:UD-Q4_K_XL", "UD-Q4_K_XL"),
        ("gemma-i1-IQ4_XS.gguf", "I1-IQ4_XS"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("mlx-community/Qwen3-8B-4bit", "4bit"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "AWQ"),
        ("Qwen2.5-GPTQ-Int4", "GPTQ-Int4"),
        ("llama-bf16.gguf", "BF16"),
        ("qwen3:8b", None),
        ("Q-learning", None),
    ],
)
def test_quantization_in_a_name(name: str, found: str | None) -> None:
    assert quantization(name) == found


@pytest.mark.parametrize(
    ("words", "total", "active"),
    [
        ("7.6B", 7_600_000_000, None),
        ("270M", 270_000_000, None),
        ("26B-A4B", 26_000_000_000, 4_000_000_000),
        ("8x7B", None, None),  # experts share much of a model: 46.7 B in truth
        ("qwen3-30b-a3b", None, 3_000_000_000),
        ("alpha-a1", None, None),
        ("", None, None),
        (None, None, None),
        (7e9, 7_000_000_000, None),
        (True, None, None),
    ],
)
def test_amounts(words: object, total: int | None, active: int | None) -> None:
    assert (amount(words), active_amount(words)) == (total, active)


@pytest.mark.parametrize(
    ("words", "mixed"),
    [("8x7B", True), (" 8 X 22.5b ", True), ("7B", False), ("x7B", False), (None, False)],
)
def test_words_that_tell_of_experts(words: object, mixed: bool) -> None:
    assert tells_experts(words) is mixed


@pytest.mark.parametrize(
    ("name", "listed", "slip"),
    [
        ("llama-3-8b-instrct", "llama-3-8b-instruct", True),  # missing
        ("claude-sonnnet-4", "claude-sonnet-4", True),  # too many
        ("org/Mixtrel-8x7b", "org/mixtral-8x7b", True),  # another
        ("qwen3-coedr", "qwen3-coder", True),  # swapped
        ("qwen3-4b", "qwen3-8b", False),
        ("gpt4o", "gpt-4o", False),
        ("prod-b", "prod-a", False),
        ("llama-3-8b:nitro", "llama-3-8b", False),
        ("openai/gpt-4o", "openai/*", False),
        ("claude-opus", "claude-sonnet", False),
        ("\U0001f999", "m", False),
        ("", "m", False),
    ],
)
def test_a_slip_of_the_keys(name: str, listed: str, slip: bool) -> None:
    assert mistyped(name, ["other", listed]) is slip
