"""`tiltyard simulate`: made-up models of known speed and ability, served in every dialect.

It runs until Ctrl+C; what the server is made of is in `servers/simulator`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import click

from tiltyard.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  tiltyard simulate                                          all dialects, each on a free port
  tiltyard simulate --only ollama,openai --port-base 9000    two of them, on 9000 and 9001
  tiltyard simulate --dialect llamacpp --port 8080 --model fast:ttft_ms=200,token_ms=20,slots=256
  tiltyard simulate --fault stall=2000@p0.1 --fault busy_503@/5
  tiltyard simulate --no-delay --dialect openai --json       as fast as it can
  curl -s URL/tiltyard/truth                                 what really happened, to the nanosecond"""
)
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), help="TOML or JSON file of SimConfig."
)
@click.option(
    "--model", "models", multiple=True, metavar="NAME[:K=V,...]", help="A model; may be given again."
)
@click.option("--only", metavar="D,D", help="These dialects only.")
@click.option("--dialect", metavar="D", help="This dialect alone.")
@click.option("--port", type=click.IntRange(0, 65535), help="Its port, with --dialect.")
@click.option(
    "--port-base", type=click.IntRange(1, 65500), help="First port; the dialects follow one by one."
)
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--fault", "faults", multiple=True, metavar="NAME[=ARG][@WHEN]", help="See --list-faults.")
@click.option("--seed", type=int, help="Changes every drawn thing.  [default: 0]")
@click.option(
    "--speedup", type=click.FloatRange(min=0, min_open=True), help="Model time runs this much faster."
)
@click.option("--no-delay", is_flag=True, help="No model time at all.")
@click.option("--api-key", help="Ask for this key.")
@click.option("--router", is_flag=True, help="llama-server's router mode.")
@click.option("--list-faults", is_flag=True, help="List every fault and behaviour, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line with the addresses.")
@click.option("--end-with-input", is_flag=True, hidden=True, help="End when standard input does.")
def simulate(
    config_path: Path | None, as_json: bool, list_faults: bool, end_with_input: bool, **flags: Any
) -> None:
    """Serve made-up models whose true speed is known.

    Without options four models of different size, speed and talent are served in seven dialects, each with an
    address, and at one more in all that can share one. The true time of every write is at /tiltyard/truth.
    """
    from tiltyard.servers.simulator import DIALECT_NAMES, FAULTS, SimConfig, load_config

    if list_faults:
        if as_json:
            click.echo(json.dumps(dict(FAULTS)))
        else:
            _table("Faults and behaviours", ("name", "what it does"), list(FAULTS.items()))
        return
    from tiltyard.servers.simulator.checks import check

    config = _merged(load_config(config_path) if config_path else SimConfig(), flags, DIALECT_NAMES)
    check(config)
    if config.host not in ("127.0.0.1", "localhost", "::1"):
        click.echo(f"warning: listening on {config.host}: others on the network can reach it", err=True)
    from tiltyard.cli.loop import loop_run

    if end_with_input:  # which whoever started it holds open while it lives
        from tiltyard.servers.engine_process import watch_input

        watch_input()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            loop_run(_serve(config, as_json))
    except UsageError as error:  # it cannot listen there
        way = next((f"--{name.replace('_', '-')}" for name in ("port", "port_base") if flags[name]), None)
        raise UsageError(str(error), f"choose another {way or 'host or port'}") from None


def _merged(config: Any, flags: dict[str, Any], known: tuple[str, ...]) -> Any:
    """The configuration with the flags on top."""
    import msgspec

    from tiltyard.servers.simulator.config import parse_model

    changes: dict[str, Any] = {
        name: flags[name] for name in ("host", "seed", "speedup", "api_key") if flags[name] is not None
    }
    if flags["models"]:
        changes["models"] = tuple(parse_model(text) for text in flags["models"])
    if flags["faults"]:
        changes["faults"] = (*config.faults, *flags["faults"])
    if flags["no_delay"]:
        changes["delay"] = False
    if flags["router"]:
        changes["router"] = True
    for one, other in (("dialect", "only"), ("port", "port_base")):
        if flags[one] is not None and flags[other] is not None:
            both = f"--{one} and --{other.replace('_', '-')}"
            raise UsageError(f"{both} exclude each other", "give one of them")
    wanted = flags["only"] if flags["dialect"] is None else flags["dialect"]
    if wanted is not None:
        names = tuple(name.strip() for name in wanted.split(",") if name.strip())
        for name in names:
            if name not in known:
                raise UsageError(f"unknown dialect {name!r}", "one of " + ", ".join(known))
        changes["dialects"] = names
    dialects = changes.get("dialects", config.dialects)
    if flags["port"] is not None:
        if len(dialects) != 1:
            raise UsageError("--port is for one dialect", "add --dialect, or use --port-base")
        changes["ports"] = {dialects[0]: flags["port"]}
    elif flags["port_base"] is not None:
        changes["ports"] = {name: flags["port_base"] + place for place, name in enumerate((*dialects, "all"))}
    return msgspec.structs.replace(config, **changes)


async def _serve(config: Any, as_json: bool) -> None:
    from tiltyard.servers.simulator import Simulator

    async with Simulator(config) as simulator:
        if as_json:
            models = [model.name for model in config.models]
            click.echo(json.dumps({"urls": simulator.urls(), "models": models, "seed": config.seed}))
        else:
            _table("Simulated servers", ("dialect", "address"), list(simulator.urls().items()))
            click.echo("models: " + ", ".join(model.name for model in config.models))
            click.echo(f"truth:  {simulator.url()}/tiltyard/truth      Ctrl+C stops")
        await asyncio.Event().wait()  # until Ctrl+C


def _table(title: str, columns: tuple[str, str], rows: list[tuple[str, str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)
