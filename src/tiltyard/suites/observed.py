"""What was seen in the answers of a run and must be said with its figures, in words and with its count.

The notes themselves are made where answers are read; notes without words here concern no reader.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tiltyard.servers.claims import ANSWERED_BY, COLD, CUT, MAYBE_CUT, PREFILL_HIGH
from tiltyard.suites import StageResult

WORDS: Mapping[str, str] = {
    "thinking_despite_off": "the model thought although it was told not to",
    "thinking_not_to_be_off": "the model thought: this server has no way to be told not to",
    CUT: "the server cut the prompt to its context without a word",
    MAYBE_CUT: "the server may have cut the prompt",
    "context_length_reached": "the answer ended at the end of the context",
    "token_repeat": "the server gave up on a model that repeated itself",
    "usage_misses_thinking": "the server's token count leaves the thinking out: not used",
    "prefill_may_be_cached": "part of the prompt may have come from a cache",
    COLD: "the model was not in memory: loading is part of the wait",
    "server_busy": "the server's queue was full",
    "server_loading": "the server was still loading the model",
    "schema_not_sent": "this server takes no schema: it was not sent",
    "not_streamed": "the answer came in one piece: its tokens have no times",
    "unterminated": "the stream's last event was cut off",
    "unreadable_event": "an event of the stream could not be read",
    "invalid_utf8": "the answer held bytes that are no text",
    "several_choices": "the server sent several choices: the first was read",
    "no_done_reason": "the server did not say why the answer ended",
    "left_open": "the server kept the stream open after its end",
    "closed_roughly": "the server broke the connection instead of closing it",
}


def observed(results: Sequence[StageResult]) -> list[str]:
    """One sentence for each thing seen, with how often; the most frequent first. Before them, what was given
    up.
    """
    seen: Counter[str] = Counter()
    total = 0
    for result in results:
        total += result.total
        seen.update(result.notes)
    stopped = [gave_up(result) for result in results if result.gave_up]
    said = [(words_for(note), count) for note, count in seen.most_common()]
    return stopped + [f"{words} ({count} of {total})" for words, count in said if words]


def words_for(note: str) -> str | None:
    """A note in words; None where it concerns no reader."""
    if note.startswith(ANSWERED_BY):
        name = note.removeprefix(ANSWERED_BY)
        return f"answered by {name}, which may be another model than the one asked for"
    if note.startswith(PREFILL_HIGH):
        percent = note.removeprefix(PREFILL_HIGH)
        return f"prefill is up to {percent} % too high: it counts the template's cached head as read"
    return WORDS.get(note)


def gave_up(result: StageResult) -> str:
    """What a stage that asked no more has to say."""
    wanted = result.stage.expected
    left = "the rest" if wanted is None else f"{wanted - result.total} more"
    return f"{result.stage.name}: stopped after failures alone; {left} were not asked"
