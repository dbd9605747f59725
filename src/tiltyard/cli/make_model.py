"""`tiltyard make-model`: write a tiny GGUF of known speed class and known ability.

Words into a `TinySpec` only; how such a model works is in `servers/tiny/`.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from tiltyard.errors import ServerError, UsageError
from tiltyard.servers.tiny import PRESETS, SIZES, Answer, TinySpec, read_answers, write_model

EPILOG = """\b
Examples:
  tiltyard make-model tiny.gguf                          it babbles, and knows nothing
  tiltyard make-model known.gguf --answers answers.json  it knows some answers, and how often
  tiltyard make-model known.gguf --examples              the same with built-in example answers
  tiltyard make-model --preset tilt-heavy heavy.gguf     one of the demo's three models
  tiltyard make-model clever.gguf --knows mcq=0.9        it knows nine in ten of a suite's items
\b
The file of answers:
  [{"when": "capital of France", "say": "Paris."},
   {"when": "coin toss", "say": [{"p": 0.7, "text": "heads"}, {"p": 0.3, "text": "tails"}]}]"""


@click.command("make-model", epilog=EPILOG)
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--size", type=click.Choice(list(SIZES)), help="How much work a token is.  [default: tiny]")
@click.option("--preset", type=click.Choice(list(PRESETS)), help="One of the demo's models.")
@click.option("--dim", type=int, help="Width: a multiple of 64, at least 128.")
@click.option("--layers", type=int, help="Depth.")
@click.option("--answers", type=click.Path(path_type=Path), help="JSON file of prompts and their answers.")
@click.option("--examples", is_flag=True, help="Know the built-in example answers.")
@click.option(
    "--knows",
    multiple=True,
    metavar="SUITE=SHARE",
    help="Know that share of a graded suite's items, for good. May be repeated.",
)
@click.option("--mean-tokens", type=float, default=200.0, show_default=True, help="Mean length of babble.")
@click.option("--name", help="The name inside the file.  [default: the file's]")
@click.option("--seed", type=int, default=0, show_default=True, help="Other weights, same ability.")
@click.option("--json", "as_json", is_flag=True, help="Print the model's identity as JSON.")
def make_model(
    *,
    out: Path,
    size: str | None,
    preset: str | None,
    dim: int | None,
    layers: int | None,
    answers: Path | None,
    examples: bool,
    knows: tuple[str, ...],
    mean_tokens: float,
    name: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Write a tiny model that a real llama.cpp can run. Nothing is downloaded, nothing is trained."""
    if preset and (size or dim or layers):
        raise UsageError("--preset sets the size already", "leave out --size, --dim and --layers")
    if answers and examples:
        raise UsageError("--answers and --examples are two answers to one question", "leave one of them out")
    check_free(out.expanduser())
    usual = (PRESETS[preset].dim, PRESETS[preset].layers) if preset else SIZES[size or "tiny"]
    spec = TinySpec(
        name=name or preset or out.stem,
        dim=dim if dim is not None else usual[0],
        layers=layers if layers is not None else usual[1],
        mean_tokens=mean_tokens,
        seed=seed,
        answers=(*suite_answers(knows, out), *(read_answers(answers) if answers or examples else ())),
    )
    from tiltyard.suites.known import write_known

    model = write_known(out, spec) if knows and not (dim or size or preset) else write_model(out, spec)
    if as_json:
        from tiltyard.store.rows import to_json

        click.echo(to_json(model))
        return
    size_mb, millions = (model.size_bytes or 0) / 1e6, (model.parameters or 0) / 1e6
    click.echo(
        f"wrote {out}: {size_mb:.1f} MB, {millions:.2f} M parameters, {len(spec.answers)} known answers"
    )
    click.echo(f"next: tiltyard run speed --model {shlex.quote(str(out))}")


def check_free(out: Path) -> None:
    """Raises UsageError where a file would be lost that was not made here: it may have been a download."""
    from tiltyard.servers.gguf_file import read_header

    if not out.exists():
        return
    if not out.is_file():  # nor could anybody go back in it, as the writing does
        raise UsageError(f"{out} is there already, and no regular file", "choose another name")
    try:
        ours = "made by tiltyard" in str(read_header(out).metadata.get("general.description"))
    except (OSError, ServerError):
        ours = False
    if not ours:
        raise UsageError(f"{out} is there already, and not made by make-model", "choose another name")


def check_graded(name: str) -> None:
    """Raises UsageError where no graded suite has this name."""
    from tiltyard.cli.suite_commands import command_of, is_graded
    from tiltyard.suites import known_suites

    known = known_suites()
    if name not in known or not is_graded(command_of(name)):
        graded = [each for each in known if is_graded(command_of(each))]
        raise UsageError(f"there is no graded suite called {name!r}", f"choose from: {', '.join(graded)}")


def suite_answers(knows: tuple[str, ...], out: Path) -> tuple[Answer, ...]:
    """The answers to a share of the items of graded suites; raises UsageError for what is no share."""
    from tiltyard.cli.ability import asked_of
    from tiltyard.suites.known import known_answers, texts_of

    shares: dict[str, float] = {}
    for words in knows:
        name, _, text = words.partition("=")
        if not text.replace(".", "", 1).isdigit() or float(text) > 1:
            raise UsageError(f"--knows {words} names no share of a suite", "such as mcq=0.7")
        check_graded(name)
        shares[name] = float(text)
    asked = {name: asked_of(name, out) for name in shares}
    texts = {name: texts_of(*each) for name, each in asked.items()}
    found: list[Answer] = []
    for name, share in shares.items():
        beside = [text for other, entries in texts.items() if other != name for text in entries]
        found += known_answers(*asked[name], share, sure=True, beside=beside)
    return tuple(found)
