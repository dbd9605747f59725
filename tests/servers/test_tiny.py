"""Tiny models as files: the same spec gives the same bytes, and what cannot be met is refused in words."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest

from tiltyard.errors import UsageError
from tiltyard.servers.tiny import PRESETS, Answer, Say, TinySpec, read_answers, vocabulary, write_model


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.slow
def test_the_same_spec_gives_the_same_bytes(tmp_path: Path) -> None:
    spec = TinySpec(answers=read_answers(), seed=3)
    one, two = tmp_path / "one.gguf", tmp_path / "two.gguf"
    first, second = write_model(one, spec), write_model(two, spec)
    assert one.read_bytes() == two.read_bytes()
    assert first.digest == second.digest
    assert first.digest != write_model(two, TinySpec(answers=read_answers(), seed=4)).digest


def test_presets_differ_in_work() -> None:
    work = [spec.dim**2 * spec.layers for spec in PRESETS.values()]
    assert work == sorted(work)
    assert work[-1] >= 10 * work[0]


def test_every_chain_spells_its_answer_with_tokens_of_its_own() -> None:
    answers = [
        Answer(when=f"question {i} ", say=f"answer {i}: {'word ' * (i % 7)}done {i}.") for i in range(200)
    ]
    vocab = vocabulary.build(answers)
    texts = {"".join(vocab.tokens[token] for token in chain.tokens) for chain in vocab.chains}
    assert {vocabulary.spell(str(answer.say)) for answer in answers} <= texts
    used = [token for chain in vocab.chains for token in chain.tokens]
    assert len(used) == len(set(used))
    assert len(set(vocab.tokens)) == len(vocab.tokens)


def test_letters_may_be_shared_by_many_questions() -> None:
    answers = [
        Answer(
            when=f"[question {i}]",
            say=tuple(Say(text=letter, p=0.7 if letter == "ABCD"[i % 4] else 0.1) for letter in "ABCD"),
        )
        for i in range(40)
    ]
    vocab = vocabulary.build(answers)
    shared = [chain for chain in vocab.chains if len(chain.odds) == 4]
    assert len(shared) == 4
    assert vocab.topics == 4 + len(vocabulary.BUILT_IN)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(when="x?", say=(Say(text="a", p=0.5), Say(text="b", p=0.4))), "add up to 0.9"),
        (Answer(when=" ", say="a"), "empty `when`"),
        (Answer(when="x?", say=""), "is empty"),
        (Answer(when="<tools>", say="a"), "taken already"),
    ],
)
def test_bad_answers_are_refused(tmp_path: Path, answer: Answer, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        write_model(tmp_path / "x.gguf", TinySpec(answers=(answer,)))
    assert caught.value.remedy
    assert not list(tmp_path.glob("*.gguf*"))


def test_too_many_prompts_say_how_many_fit(tmp_path: Path) -> None:
    answers = tuple(Answer(when=f"q{i}?", say=f"reply {i}") for i in range(400))
    with pytest.raises(UsageError, match="too many") as caught:
        write_model(tmp_path / "x.gguf", TinySpec(answers=answers))
    assert "fit" in caught.value.remedy


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        write_model(tmp_path / "file" / "x.gguf", TinySpec())


def test_answers_files_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text(json.dumps([{"when": "a", "say": "b"}, {"when": "c", "say": [{"text": "d", "p": 1}]}]))
    assert read_answers(path)[1].choices()[0].text == "d"
    path.write_text('[{"when": "a", "tell": "b"}]')
    with pytest.raises(UsageError, match="tell"):
        read_answers(path)
    with pytest.raises(UsageError, match="cannot read"):
        read_answers(tmp_path / "none.json")


def test_babble_keeps_to_printable_ascii() -> None:
    assert {chr(byte) for byte in (10, *range(32, 127))} <= set(string.printable)
    assert len(vocabulary.PLAIN) == 96
