"""What was seen in the answers of a run and must be said with its figures, in words and with its count.

The notes themselves are made where answers are read; their names are in `servers/notes.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tiltyard.records import Attempt
from tiltyard.servers import notes
from tiltyard.suites import StageResult

WORDS: Mapping[str, str] = {
    notes.UNLISTED: "the server's list lacks this model: nothing is known but the name",
    notes.THINKING_DESPITE_OFF: "the model thought although it was told not to",
    notes.THINKING_NOT_TO_BE_OFF: "the model thought: this server has no way to be told not to",
    notes.CUT: "the server cut the prompt to its context without a word",
    notes.MAYBE_CUT: "the server may have cut the prompt",
    notes.CONTEXT_REACHED: "the answer ended at the end of the context",
    notes.TOKEN_REPEAT: "the server gave up on a model that repeated itself",
    notes.USAGE_MISSES_THINKING: "the server's token count leaves the thinking out: not used",
    notes.THINKING_HIDDEN: "the model thought without showing it: the wait for the first token holds that",
    notes.USAGE_UNBELIEVED: "the server's token count contradicts the length of the answer: not used",
    notes.CACHE_UNBELIEVED: "the server says that more of the prompt was cached than there is: not used",
    notes.USAGE_REFUSED: "this server refuses `stream_options`, and so sent no token counts",
    notes.PREFILL_MAYBE_CACHED: "part of the prompt may have come from a cache",
    notes.MOSTLY_CACHED: "most of the prompt was in the server's cache: the first token came sooner for it",
    notes.COLD: "the model was not in memory: loading is part of the wait",
    notes.SERVER_BUSY: "the server's queue was full",
    notes.SERVER_LOADING: "the server was still loading the model",
    notes.SCHEMA_NOT_SENT: "this server takes no schema: it was not sent",
    notes.NOT_STREAMED: "the answer came in one piece: its tokens have no times",
    notes.UNTERMINATED: "the stream's last event was cut off",
    notes.UNREADABLE_EVENT: "an event of the stream could not be read",
    notes.INVALID_UTF8: "the answer held bytes that are no text",
    notes.SEVERAL_CHOICES: "the server sent several choices: the first was read",
    notes.NO_DONE_REASON: "the server did not say why the answer ended",
    notes.ARRIVALS_MERGED: "tokens came as one while this machine kept Tiltyard waiting: gaps too long,"
    " some first tokens late",
    notes.CLOCK_SET: "this machine's clock was set meanwhile, or it slept: dates are by the clock as it was",
    notes.SENT_AGAIN: "the server closed its connection as the request came: sent again on a new one",
    notes.LEFT_OPEN: "the server kept the stream open after its end",
    notes.CLOSED_ROUGHLY: "the server broke the connection instead of closing it",
}
# What these mean is said beside the figure or the grade that they decide.
SILENT = frozenset(
    (notes.LOAD_UNTOLD, notes.HEAD_MAYBE_CACHED, notes.PREFIX_SEEN, notes.REFUSAL, notes.ERROR_TOLD)
)


def seen_in(attempt: Attempt, graded: bool) -> set[str]:
    """The notes of an attempt, each once."""
    found = {note for exchange in attempt.exchanges for note in exchange.notes}
    prompt, cached = attempt.measures.prompt_tokens, attempt.measures.cached_tokens
    mostly = graded and attempt.ended_well and prompt and cached and cached > prompt / 2
    return found | {notes.MOSTLY_CACHED} if mostly else found


def observed(results: Sequence[StageResult]) -> list[str]:
    """One sentence for each thing seen, with how often; the most frequent first. Before them, what was given
    up. What was seen with several values, as a percentage may be, is said with the stages of each.
    """
    seen: Counter[str] = Counter()
    total = 0
    for result in results:
        total += result.total
        seen.update(result.notes)
    stopped = [gave_up(result) for result in results if result.gave_up]
    kinds = Counter(kind(note) for note in seen)
    said = []
    for note, count in seen.most_common():
        stages = [result.stage.name for result in results if note in result.notes]
        where = f", in {', '.join(stages)}" if kinds[kind(note)] > 1 and len(results) > 1 else ""
        if words := words_for(note):
            certain_only = note == notes.CUT and count < total
            least = "at least " if certain_only else ""
            said.append(f"{words} ({least}{count} of {total}{where})")
    return stopped + said


def kind(note: str) -> str:
    """A note without its value."""
    return note.partition(":")[0]


def words_for(note: str) -> str | None:
    """A note in words; None for a silent one."""
    if note.startswith(notes.ANSWERED_BY):
        name = note.removeprefix(notes.ANSWERED_BY)
        return f"answered by {name}, which may be another model than the one asked for"
    if note.startswith(notes.PREFILL_HIGH):
        percent = note.removeprefix(notes.PREFILL_HIGH)
        return f"prefill is up to {percent} % too high: it counts the template's cached head as read"
    if note.startswith(notes.STOP_REASON):
        return f"the server's own reason for the end was {note.removeprefix(notes.STOP_REASON)}"
    return WORDS.get(note)


def gave_up(result: StageResult) -> str:
    """What a stage that asked no more has to say."""
    wanted = result.stage.expected
    left = "the rest" if wanted is None else f"{wanted - result.total} more"
    return f"{result.stage.name}: stopped after failures in a row; {left} were not asked"
