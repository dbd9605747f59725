"""Do a prompt and its answer fit into the context that the model has on this server?

Where they do not, some servers refuse, some cut the prompt and some end the answer early, each without a word
that a program could rely on. Nothing is said where the server does not tell its context.
"""

from __future__ import annotations

import contextlib

from tiltyard.errors import ServerError, UsageError
from tiltyard.servers.preflight import can_be_told
from tiltyard.suites.speed.trial import Trial

SPARE = 64  # tokens that a chat template adds


async def check_fit(trial: Trial) -> None:
    """Raises UsageError for a prompt and an answer that together are longer than the context.

    The profile `depth` is left out: it leaves out by itself what does not fit.
    """
    settings = trial.settings
    if settings.profile == "depth":
        return
    prompt = 0 if settings.prompt is not None else trial.prompt_tokens
    wanted = prompt + trial.output_tokens
    context = await context_of(trial)
    if context is None or wanted <= context:
        return
    what = f"a prompt of {prompt} tokens and an answer" if prompt else "an answer"
    room, limit = wanted + SPARE, trial.bench.model.context_max
    told = can_be_told(trial.bench.server, loads=settings.profile != "fixed")
    wider = f"--context {room}, or " if told and room <= (limit or room) else ""
    raise UsageError(
        f"{what} of {trial.output_tokens} do not fit into the context of {trial.bench.model.name}, "
        f"which is {context} tokens",
        f"{wider}less of --prompt-tokens or --output-tokens",
    )


async def context_of(trial: Trial) -> int | None:
    """Tokens of context that each request has: what is loaded, unless `--context` goes with each request."""
    bench, model = trial.bench, trial.bench.model
    known = trial.settings.context if can_be_told(bench.server, loads=False) else None
    known = known or model.context_loaded
    if known is None and "load" in bench.server.can:
        with contextlib.suppress(ServerError):
            known = (await bench.server.describe(model.name)).context_loaded
    if known is None or model.context_max is None:
        return known or model.context_max
    return min(known, model.context_max)
