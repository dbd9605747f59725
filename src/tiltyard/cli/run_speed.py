"""`tiltyard run speed`: the options of the speed suite.

What they mean together, and what cannot be meant, is in `suites/speed/`.
"""

from __future__ import annotations

from typing import Any

import click

from tiltyard.cli.conducting import run_suite
from tiltyard.cli.options import ABOVE_ZERO, Common, Filled, Number, common_options
from tiltyard.suites.speed import PROFILES

EPILOG = """\b
Examples:
  tiltyard run speed --model qwen3:8b                     about a minute
  tiltyard run speed --all                                every model there is
  tiltyard run speed -m ./model.gguf --profile depth      with long contexts
  tiltyard run speed -m qwen3:8b --profile concurrency    for several users at once
  tiltyard run speed -m M --profile serve --slo ttft=500ms,itl=50ms
  tiltyard run speed -m M --profile fixed --server http://127.0.0.1:8000 --dialect openai \\
      --concurrency 64 --requests 500 --prompt-tokens 32 --output-tokens 128 --json
  tiltyard run speed -m M --profile fixed --rate 5 --burst 10      ten at once, every two seconds
  tiltyard run speed -m M --profile fixed --rate 1 --ramp-to 20 --seconds 30"""


def defaults() -> dict[str, Any]:
    """The settings of a run without any options."""
    return {"profile": "quick"}


@click.command(epilog=EPILOG)
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="quick",
    show_default=True,
    help="What to measure.",
)
@click.option("--concurrency", type=str, help="Streams at once; a list (1,2,4) in the profile `concurrency`.")
@click.option("--rate", type=ABOVE_ZERO, help="Requests per second, whatever the answers do.")
@click.option(
    "--poisson", is_flag=True, default=None, help="At random moments with that rate, as users come."
)
@click.option(
    "--burst", type=click.IntRange(1), help="So many at once; with --rate again and again, without it once."
)
@click.option("--ramp-to", type=ABOVE_ZERO, help="Let the rate grow or fall to this over --seconds.")
@click.option("--requests", type=click.IntRange(1), help="How many requests.")
@click.option("--prompt-tokens", type=click.IntRange(1), help="Size of each prompt by the server's count.")
@click.option("--output-tokens", type=click.IntRange(1), help="Size of each answer.")
@click.option("--prompt", help="This text as the prompt, as it is.")
@click.option("--depths", help="Depths of context for `depth`, such as 0,4k,16k.")
@click.option("--rates", help="Rates for `serve`, such as 1,2,4,8.")
@click.option(
    "--seconds",
    type=ABOVE_ZERO,
    help="How long a stage may last (of `serve`: 10 requests at least); the length of a soak or a ramp.",
)
@click.option("--slo", type=Filled(), help="Limits for goodput, such as ttft=500ms,itl=50ms,e2e=10s.")
@click.option("--budget", "budget_s", type=ABOVE_ZERO, help="Seconds that `quick` may take for one model.")
@click.option("--width", type=ABOVE_ZERO, help="Stop when the interval is this narrow, relative to the mean.")
@click.option(
    "--cached", is_flag=True, default=None, help="Let prompts share their beginning, for prefix caches."
)
@click.option("--temperature", type=Number(min=0), help="Sampling temperature.")
@click.option("--seed", type=int, help="Seed of prompts, arrivals and sampling.")
@click.option("--think/--no-think", default=None, help="Let a thinking model think, or tell it not to.")
@click.option(
    "--tokenizer", type=click.Path(exists=True, dir_okay=False), help="A tokenizer.json to count with."
)
@common_options
def speed(**options: Any) -> None:
    """How fast is each model: cold load, prefill, decode, many at once, under load, over time."""
    from tiltyard.load.prompts import tokenizer_in
    from tiltyard.suites.speed.options import read_settings

    common = Common.taken_from(options)
    settings = {name: value for name, value in options.items() if value is not None}
    if common.context is not None:
        settings["context"] = common.context
    if path := settings.get("tokenizer"):
        tokenizer_in(path)
    read_settings(settings)  # what cannot be meant is said before a server is looked for
    run_suite("speed", settings, common, preflight=settings["profile"] != "fixed")
