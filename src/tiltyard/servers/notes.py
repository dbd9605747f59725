"""The names of all notes on an exchange: what was seen in an answer, or known right before it was asked for.

A note never changes how an exchange ended. What is said of each with the figures is in `suites/observed.py`.
"""

from __future__ import annotations

# ------------------------------------------------------------------ the model in memory

COLD = "cold"  # the server said, right before, that the model is not in memory
LOAD_UNTOLD = "load_untold"  # the model had not answered before, and nobody says if it is in memory
SERVER_BUSY = "server_busy"
SERVER_LOADING = "server_loading"

# ------------------------------------------------------------------ the prompt

CUT = "context_truncated"  # the prompt was cut
MAYBE_CUT = "prompt_maybe_cut"  # so few tokens less than were due that it may be the counting, too
PREFIX_SEEN = "prefix_seen"  # this client sent a prompt with the same beginning before
PREFILL_MAYBE_CACHED = "prefill_may_be_cached"
HEAD_MAYBE_CACHED = "head_maybe_cached"  # nobody says how much of a short prompt came from a cache
MOSTLY_CACHED = "prompt_mostly_cached"  # of a graded answer, where nobody asked for a fresh prompt
PREFILL_HIGH = "prefill_high_by:"  # before the percentage that a cached head may add to the rate
SCHEMA_NOT_SENT = "schema_not_sent"

# ------------------------------------------------------------------ the answer

UNLISTED = "unlisted"  # the server's list lacks the model: its name was taken as the user wrote it
ANSWERED_BY = "answered_by:"  # before the name in the answer, which may be another model's
THINKING_DESPITE_OFF = "thinking_despite_off"
THINKING_NOT_TO_BE_OFF = "thinking_not_to_be_off"  # this server has no switch for it
THINKING_HIDDEN = "thinking_hidden"  # counted, and not shown
USAGE_MISSES_THINKING = "usage_misses_thinking"
USAGE_UNBELIEVED = "usage_unbelieved"  # far fewer tokens than so long an answer has, or far too many
CACHE_UNBELIEVED = "cache_unbelieved"  # more of the prompt than there is
USAGE_REFUSED = "usage_refused"  # it may not be asked for, and did not come
REFUSAL = "refusal"  # it came in a field of its own
CONTEXT_REACHED = "context_length_reached"  # the answer ended at the end of the context
TOKEN_REPEAT = "token_repeat"
NO_DONE_REASON = "no_done_reason"
STOP_REASON = "stop_reason_"  # before the reason that only LM Studio's own statistics tell

# ------------------------------------------------------------------ this machine

CLOCK_SET = "clock_set"  # since the sitting began, or the machine slept

# ------------------------------------------------------------------ the stream

ERROR_TOLD = "error_told"  # by the server, in words or by what nobody can read: no connection broke
NOT_STREAMED = "not_streamed"
UNTERMINATED = "unterminated"
UNREADABLE_EVENT = "unreadable_event"
INVALID_UTF8 = "invalid_utf8"
SEVERAL_CHOICES = "several_choices"
ARRIVALS_MERGED = "arrivals_merged"  # the client was held up: several tokens bear the time of the last
SENT_AGAIN = "sent_again"  # the kept connection was closed as the request came
LEFT_OPEN = "left_open"  # the connection, after the end
CLOSED_ROUGHLY = "closed_roughly"
