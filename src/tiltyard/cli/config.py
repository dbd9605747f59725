"""`tiltyard config`: each setting, its value, and where the value comes from.

Shows and never changes anything; API keys are only said to be set, never printed.
"""

from __future__ import annotations

import sys

import click

EPILOG = """\b
Examples:
  tiltyard config show           each setting and its origin
  tiltyard config show --json    the same for programs
  tiltyard config path           the settings files and the store"""


@click.group(epilog=EPILOG)
def config() -> None:
    """Show each setting and where its value comes from."""


@config.command(epilog="Example: tiltyard config show --json")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(*, as_json: bool) -> None:
    """Each setting, its value and its origin: default, file or environment. A run's flags outweigh them."""
    import msgspec

    from tiltyard.cli.harness_settings import shown
    from tiltyard.settings import SETTABLE, Settings, keys_set, load_settings

    settings = load_settings()
    words = {field.name: _words(field.type) for field in msgspec.structs.fields(Settings)}
    found = {
        name: {"value": getattr(settings, name), "origin": settings.origin(name), "help": words[name]}
        for name in SETTABLE
    }
    keys = keys_set()
    if as_json:
        text = msgspec.json.encode({"settings": found, "run_mcq": shown(), "api_keys": keys}).decode()
        sys.stdout.write(text + "\n")
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold")
    console = Console()
    wide = console.width >= 110
    if wide:
        table.add_column("what it is", style="dim", overflow="fold")
    for name, entry in found.items():
        cells = (_shown(entry["value"]), entry["origin"], entry["help"])
        table.add_row(name, *(escape(cell) for cell in cells[: 3 if wide else 2]))
    for row in shown():
        cells = (row["value"] or "none", row["origin"] or "not set", row["help"] or "")
        table.add_row(row["name"], *(escape(cell) for cell in cells[: 3 if wide else 2]))
    for name, origin in keys.items():
        cells = (f"set ({origin})" if origin else "not set", "", "An API key; never shown or stored.")
        table.add_row(name, *cells[: 3 if wide else 2])
    console.print(table)


@config.command(epilog="Example: tiltyard config path")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def path(*, as_json: bool) -> None:
    """Where the settings files and the store are."""
    from tiltyard.cli.data_dir import store_file
    from tiltyard.settings import config_file, config_files

    read = config_file()
    store = store_file(None)
    if as_json:
        import msgspec

        values = {
            "files": [str(file) for file in config_files()],
            "read": read and str(read),
            "store": str(store),
        }
        sys.stdout.write(msgspec.json.encode(values).decode() + "\n")
        return
    for file in config_files():
        state = "read" if file == read else "not there"
        if file != read and file.is_file():
            state = "there, but the one above comes first"
        click.echo(f"{file}  ({state})")
    click.echo(f"{store}  ({'the store' if store.is_file() else 'the store; the first run makes it'})")


def _words(kind: object) -> str:
    """The description beside a setting."""
    for note in getattr(kind, "__metadata__", ()):
        if note.description:
            return str(note.description)
    return ""


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} = {entry}" for key, entry in value.items()) or "none"
    return "none" if value is None else str(value)
