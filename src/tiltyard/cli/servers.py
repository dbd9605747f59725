"""`tiltyard servers` and `tiltyard models`: what runs on this machine, and what each model really is.

Searching and identity are in `servers/`; here the findings become tables of 80 columns, or JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.cli.options import Filled
from tiltyard.cli.progress import clean
from tiltyard.errors import NoServer, ServerError, UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tiltyard.records import Model
    from tiltyard.servers.discover import Found

KEY_HELP = "Environment variable that holds the API key of the addresses given."
URL_HELP = "Look at this address only; may be repeated."
NAMED_S = 10.0  # an address that was named may be far away, or busy
EMPTY = "–"
NARROWEST = 80  # columns; below it the terminal folds our lines, which is better than to lose the last column
MARKS = {True: "● ", False: "○ ", None: "  "}  # None: nobody says whether it is in memory
LEGEND = "● in memory  ○ not   act. = active on a token   b/w = effective bits a weight"
START_ONE = (
    "start one (`ollama serve`, LM Studio, `llama-server -m MODEL.gguf`), name it with --server URL, "
    "or do without: `tiltyard run speed --model FILE.gguf`"
)


@click.command(epilog="Example:  tiltyard servers --server http://192.168.1.20:11434")
@click.option("--server", "urls", metavar="URL", multiple=True, help=URL_HELP)
@click.option("--api-key-env", type=Filled(), metavar="NAME", help=KEY_HELP)
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
def servers(urls: tuple[str, ...], api_key_env: str | None, as_json: bool) -> None:
    """Find the model servers on this machine: kind, version, address, models, what is loaded."""
    found = search(urls, named_key(urls, api_key_env))
    usable = [each for each in found if each.info]
    if as_json:
        show_json([server_row(each) for each in found])
    else:
        console = terminal()
        if usable:
            console.print(servers_table(usable, console.width))
        show_problems(console, found)
    if not usable:
        raise nothing_there(found, urls)


@click.command(epilog="Example:  tiltyard models --server http://127.0.0.1:11434 ./qwen3-8b-q4_k_m.gguf")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE.gguf ...]")
@click.option("--server", "urls", metavar="URL", multiple=True, help=URL_HELP)
@click.option("--api-key-env", type=Filled(), metavar="NAME", help=KEY_HELP)
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
def models(files: tuple[Path, ...], urls: tuple[str, ...], api_key_env: str | None, as_json: bool) -> None:
    """Show every model with its identity. Files alone are read without looking for servers."""
    from tiltyard.servers.gguf_file import read_gguf

    rows = [("file", str(file.parent), read_gguf(file)) for file in files]
    found: list[Found] = []
    if urls or not files:
        found, described = identities(urls, named_key(urls, api_key_env))
        rows += described
    if as_json:
        import msgspec

        show_json([{"dialect": d, "url": u, **msgspec.to_builtins(m)} for d, u, m in rows])
    else:
        show_models(rows, found)
    if not rows:
        if any(each.info for each in found):
            raise ServerError(
                "the servers found have no models", "load or pull one first, e.g. `ollama pull qwen3:8b`"
            )
        raise nothing_there(found, urls)


# ------------------------------------------------------------------ asking


def named_key(urls: Sequence[str], variable: str | None) -> str | None:
    """The key in a named variable. Servers that nobody named are not shown any key meant for another."""
    if variable is None:
        return None
    if not urls:
        raise UsageError("--api-key-env needs the address that the key is for", "add --server URL")
    from tiltyard import settings
    from tiltyard.servers.replies import base_url

    return settings.api_key(base_url(urls[0]), None, variable)


def search(urls: Sequence[str], key: str | None) -> list[Found]:
    """Everybody at these addresses, or at the known ones."""
    from tiltyard.cli.loop import loop_run
    from tiltyard.servers.discover import DEADLINE_S, survey

    return loop_run(survey(urls or None, NAMED_S if urls else DEADLINE_S, key))


def identities(urls: Sequence[str], key: str | None) -> tuple[list[Found], list[tuple[str, str, Model]]]:
    """Who was found, and each of their models described as fully as it can be.

    A model that its server cannot describe is said and left out; where all are such, the first is the error.
    """
    import asyncio

    from tiltyard.cli.loop import loop_run
    from tiltyard.servers.connect import connect
    from tiltyard.servers.replies import base_url

    named = {base_url(url): url for url in urls}  # who was found is named without a login
    untold: list[tuple[str, ServerError]] = []

    async def described(each: Found) -> list[tuple[str, str, Model]]:
        if each.info is None:
            return []
        url, full = named.get(each.url, each.url), []
        server = await connect(url, each.info.dialect, key, named=bool(urls))
        try:
            for model in each.models:
                try:
                    full.append(await server.describe(model.name))
                except ServerError as error:
                    untold.append((model.name, error))
        finally:
            await server.close()
        return [(each.info.dialect, each.url, model) for model in full]

    async def main(found: list[Found]) -> list[list[tuple[str, str, Model]]]:
        return await asyncio.gather(*(described(each) for each in found))

    found = search(urls, key)
    rows = [row for rows in loop_run(main(found)) for row in rows]
    if untold and not rows:
        raise untold[0][1]
    for name, error in untold:
        click.echo(left_out(name, error), err=True)
    return found, rows


def left_out(name: str, error: ServerError) -> str:
    """One line about a model that its server could not describe, in a list where others are."""
    return clean(f"left out: {name}: {error}")


def nothing_there(found: Sequence[Found], urls: Sequence[str]) -> ServerError:
    """The error that ends a search without a usable server."""
    if found:
        return NoServer("no usable model server was found", found[0].remedy or START_ONE)
    from tiltyard.servers.replies import base_url

    known = "the known ports of this machine (11434, 1234, 8080, 9931, 8000, 30000)"
    where = ", ".join(base_url(url) for url in urls) or known  # without a login
    return NoServer(f"no model server answers at {where}", START_ONE)


# ------------------------------------------------------------------ showing


def server_row(each: Found) -> dict[str, Any]:
    """One entry of `servers --json`; `problem` is null for a usable server."""
    import msgspec

    info = msgspec.to_builtins(each.info) if each.info else {"dialect": None, "url": each.url}
    return {
        **info,
        "models": [m.name for m in each.models],
        "problem": each.problem,
        "remedy": each.remedy or None,
    }


def show_json(rows: list[dict[str, Any]]) -> None:
    import msgspec

    from tiltyard.store.rows import to_json

    click.echo(msgspec.json.format(to_json(rows), indent=2))


def terminal() -> Console:
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)  # names are somebody else's text
    console.width = max(console.width, NARROWEST)
    return console


def show_models(rows: Sequence[tuple[str, str, Model]], found: Sequence[Found]) -> None:
    """A table per server and folder, then whoever is there and cannot be used."""
    console = terminal()
    for dialect, url in dict.fromkeys((d, u) for d, u, _ in rows):
        group = [m for d, u, m in rows if (d, u) == (dialect, url)]
        version = next((m.engine_version for m in group if m.engine_version), None)
        title = "  ".join(each for each in (dialect, version, url) if each)
        console.print(models_table(title, group, console.width >= 110))
    if rows:
        console.print(LEGEND, style="dim")
    show_problems(console, found)


def show_problems(console: Console, found: Sequence[Found]) -> None:
    from rich.text import Text

    usable = any(each.info for each in found)
    for each in found:
        if each.problem:
            console.print(
                Text.assemble(("! ", "yellow"), (each.url, "bold"), f"  {clean(beside_address(each))}")
            )
            if each.remedy and (usable or each is not found[0]):  # else the error that follows has it
                console.print(Text(f"  try: {clean(each.remedy)}", style="dim"))


def beside_address(each: Found) -> str:
    """What is wrong with a server, for a line that begins with its address: not named twice."""
    return (each.problem or "").removeprefix(each.url).lstrip(": ")


def servers_table(found: Sequence[Found], width: int) -> Table:
    """Two columns have widths of ours: where several may shrink, rich cuts what it should fold."""
    infos = [each.info for each in found if each.info]
    versions, urls = [text_of(each.version) for each in infos], [address(each.url) for each in infos]
    table = new_table()
    table.add_column("server", no_wrap=True)
    table.add_column("version", overflow="fold", width=min(11, max(map(len, ("version", *versions)))))
    most = 21 + (width - NARROWEST) // 2
    table.add_column("address", overflow="fold", width=min(most, max(map(len, ("address", *urls)))))
    table.add_column("models", justify="right", no_wrap=True)
    table.add_column("slots", justify="right", no_wrap=True)
    table.add_column("in memory", overflow="fold")
    for each in found:
        info = each.info
        if info is None:
            continue
        memory = [clean(name) for name in info.loaded] or [EMPTY]
        table.add_row(
            info.dialect,
            text_of(info.version),
            address(info.url),
            str(len(each.models)),
            text_of(info.slots),
            "\n".join([*memory, *(f"({clean(note)})" for note in info.notes)]),
        )
    return table


def models_table(title: str, models: Sequence[Model], wide: bool) -> Table:
    """Two lines a model, so that every fact fits into 80 columns; more air where the terminal is wide."""
    from rich.text import Text

    table = new_table()
    table.title, table.title_justify = Text(title, style="bold"), "left"
    table.add_column("model", overflow="fold", ratio=1, min_width=20)
    for name in ("params", "quant", "context", "size", "VRAM"):
        table.add_column(name, justify="right", overflow="fold", max_width=12)  # folded, never cut
    table.show_lines = len(models) > 1
    for model in models:
        heading = Text(MARKS[model.loaded] + clean(model.name), style="bold" if model.loaded else "")
        if model.remote:
            heading.append(" (cloud)", style="yellow")
        first = Text.assemble(heading, "\n", (details(model, 64 if wide else 12), "dim"))
        table.add_row(
            first, parameters(model), quant(model), context(model), size(model.size_bytes), memory(model)
        )
    return table


def new_table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold cyan", padding=(0, 1, 0, 0))


def details(model: Model, digest_length: int) -> str:
    """The lines under a name: architecture and abilities, digest, path, notes."""
    kind = {True: "MoE", False: "dense", None: None}[model.moe]
    abilities = [each for each in model.capabilities or () if each not in ("completion", "insert")]
    parts = [
        " ".join(each for each in (model.architecture, kind) if each),
        ", ".join(abilities),
        f"digest {model.digest[:digest_length]}" if model.digest else "",
        *model.notes,
    ]
    return "\n".join(clean(part) for part in parts if part) or EMPTY


def parameters(model: Model) -> str:
    total = billions(model.parameters)
    if model.active_parameters and model.active_parameters != model.parameters:
        return f"{total}\n{billions(model.active_parameters)} act."
    return total


def billions(count: int | None) -> str:
    if count is None:
        return EMPTY
    if count >= 1e9:
        return f"{count / 1e9:.1f}B"
    return f"{count / 1e6:.1f}M" if count >= 1e6 else f"{count / 1e3:.0f}K"


def quant(model: Model) -> str:
    bits = f"\n{model.bits_per_weight:.2f} b/w" if model.bits_per_weight else ""
    return f"{clean(model.quantization or EMPTY)}{bits}"


def context(model: Model) -> str:
    if model.context_max is None and model.context_loaded is None:
        return EMPTY
    most = tokens(model.context_max)
    return f"{tokens(model.context_loaded)} /\n{most}" if model.context_loaded else most


def tokens(count: int | None) -> str:
    if count is None:
        return "?"
    return f"{count // 1024}k" if count >= 1024 and count % 1024 == 0 else f"{count:,}"


def size(count: int | None) -> str:
    if count is None:
        return EMPTY
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def memory(model: Model) -> str:
    """VRAM, and the share of what the model takes in memory that spills onto the CPU."""
    if model.vram_bytes is None:
        return EMPTY
    spill = 1 - model.vram_bytes / model.memory_bytes if model.memory_bytes else 0.0
    return size(model.vram_bytes) + (f"\n{spill:.0%} CPU" if spill >= 0.005 else "")


def address(url: str) -> str:
    return clean(url).removeprefix("http://")


def text_of(value: object) -> str:
    return EMPTY if value is None else clean(str(value))
