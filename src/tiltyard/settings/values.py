"""Every setting, and where its value comes from: defaults < file < .env < environment < flags.

The file is `./tiltyard.toml`, or else the one in the platform's configuration folder, never a mix of them.
Unknown keys and wrong types are errors that name the place.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from tiltyard.errors import UsageError
from tiltyard.records import Record
from tiltyard.settings.addresses import connectable, place_of
from tiltyard.settings.environment import DOTENV, KEY_VARIABLES, check_variable, variables, where_set

FILE = "tiltyard.toml"
PREFIX = "TILTYARD_"
OLLAMA_URL = "http://127.0.0.1:11434"
Words = msgspec.Meta


class Settings(Record, frozen=True):
    """Every setting with its default; `tiltyard config show` prints these words."""

    data_dir: Annotated[str, Words(description="Folder of the store.")]
    server: Annotated[str | None, Words(description="Address used when --server is not given.")] = None
    servers: Annotated[
        tuple[str, ...], Words(description="Further addresses to look at when searching for servers.")
    ] = ()
    ollama_url: Annotated[
        str, Words(description="Where Ollama is; OLLAMA_BASE_URL and OLLAMA_HOST are read too.")
    ] = OLLAMA_URL
    connect_timeout_s: Annotated[float, Words(description="Seconds a connection may take.")] = 5.0
    first_byte_timeout_s: Annotated[
        float, Words(description="Seconds the first byte may take; a model may have to load.")
    ] = 600.0
    gap_timeout_s: Annotated[float, Words(description="Seconds of silence between two arrivals.")] = 60.0
    keys: Annotated[
        Mapping[str, str],
        Words(description="Host -> NAME of the environment variable that holds its API key. File only."),
    ] = {}
    origins: Annotated[Mapping[str, str], Words(description="Where each value came from. Not settable.")] = {}

    def origin(self, name: str) -> str:
        """Where a value came from: "default", the file, the environment variable or "flag"."""
        return self.origins.get(name, "default")

    def rank(self, name: str) -> int:
        """The place of its source in their order; what is none of the other words is the file's path."""
        word = self.origin(name).partition(" (")[0]
        return {"default": 0, DOTENV: 2, "environment": 3, "flag": 4}.get(word, 1)


SETTABLE = tuple(name for name in Settings.__struct_fields__ if name != "origins")


def load_settings(flags: Mapping[str, Any] | None = None, cwd: Path | None = None) -> Settings:
    """Merge all sources. Flags that are None were not given. Raises UsageError naming file, line and key."""
    values: dict[str, Any] = {"data_dir": _default_data_dir()}
    origins: dict[str, str] = {}
    file = config_file(cwd)
    if file is not None:
        for name, value in _read_file(file).items():
            values[name] = value
            origins[name] = str(file)
    for variable, name, value in _from_environment():
        values[name] = value
        origins[name] = f"{where_set(variable)} ({variable})"
    for name, value in (flags or {}).items():
        if value is not None:
            values[name] = _typed(name, value, f"--{name.replace('_', '-')}")
            origins[name] = "flag"
    return Settings(**values, origins=origins)


def data_dir() -> Path:
    """The store's folder. It need not exist yet."""
    return Path(load_settings().data_dir)


def config_files(cwd: Path | None = None) -> tuple[Path, ...]:
    """The places where a file is looked for, in order."""
    from platformdirs import user_config_path

    return ((cwd or Path.cwd()) / FILE, user_config_path("tiltyard", appauthor=False) / FILE)


def config_file(cwd: Path | None = None) -> Path | None:
    """The file that is read, or None."""
    return next((path for path in config_files(cwd) if path.is_file()), None)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not TOML: it is not UTF-8 ({error.reason})", "save it as UTF-8"
        ) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "check its rights") from error
    import tomllib  # most have no such file

    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}, {_broken_place(str(error), text)}", "correct that line") from error
    except (ValueError, RecursionError) as error:
        long = "a number is too long" if isinstance(error, ValueError) else "brackets are too deep"
        raise UsageError(f"{path} cannot be read: {long}", "correct it, or move the file away") from error
    values = {}
    for name, value in found.items():
        line = _line_of(name, text)
        place = f"{path}, line {line}"
        if name not in SETTABLE:
            raise UsageError(f"{place}: unknown setting {name!r}", _nearest(name, SETTABLE))
        if name == "keys" and isinstance(value, dict):  # each of them at its own line
            places = {host: f"{path}, line {_line_of(host, text, line)}" for host in value}
            hosts = [_typed(name, {host: value[host]}, place) for host, place in places.items()]
            values[name] = {host: variable for each in hosts for host, variable in each.items()}
        else:
            values[name] = _typed(name, value, place)
    return values


def _broken_place(message: str, text: str) -> str:
    """What tomllib says, led by the line and the last key begun by then."""
    lines = text.splitlines()
    found = re.search(r" \(at line (\d+), column \d+\)$", message)
    number = int(found[1]) if found else len(lines)
    keys = [match[1] for line in lines[:number] if (match := re.match(r"\s*([\w.\"'-]+)\s*=", line))]
    what = (message[: found.start()] if found else message).lower()
    return f"line {number}: not TOML" + (f", at key {keys[-1]!r}" if keys else "") + f": {what}"


def _line_of(name: str, text: str, first: int = 1) -> int:
    """The line from `first` on that begins with a name; `first` where none does."""
    pattern = re.compile(rf"^\s*\[*\s*[\"']?{re.escape(name)}[\"']?\s*[\].=]")
    lines = enumerate(text.splitlines()[first - 1 :], first)
    return next((number for number, line in lines if pattern.match(line)), first)


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"the settings are {', '.join(known)}"


def _typed(name: str, value: Any, place: str) -> Any:
    """The value in its setting's type; raises UsageError naming the place and the setting."""
    field = next((f for f in msgspec.structs.fields(Settings) if f.name == name), None)
    if field is None:
        raise UsageError(f"{place}: unknown setting {name!r}", _nearest(name, SETTABLE))
    try:
        typed = msgspec.convert(value, field.type, strict=True)
    except msgspec.ValidationError as error:
        shape = {"servers": "a list of addresses", "keys": 'a table, keys = {"HOST" = "NAME OF A VARIABLE"}'}
        seconds = (
            f"seconds as a number, such as {field.default:g}" if isinstance(field.default, float) else ""
        )
        remedy = f"give {seconds or shape.get(name, 'a text in quotes')}, or take it out"
        said = str(error).replace("`", "")
        if isinstance(value, Mapping):  # of which the message tells no key; here it has one
            said = said.replace("- at $[...]", f"for {', '.join(map(repr, value))}")
        raise UsageError(f"{place}: {name}: {said}", remedy) from error
    if isinstance(typed, float) and not 0 < typed < float("inf"):  # every number here is a time to wait
        raise UsageError(f"{place}: {name} must be above 0, not {value!r}", "give it in seconds, such as 60")
    if name == "data_dir":
        return str(Path(typed).expanduser())
    if name == "keys":
        return {_bare_host(host, place, variable): variable for host, variable in typed.items()}
    try:
        if name == "ollama_url":
            return connectable(typed, 11434)
        if name == "server" and typed is not None:
            return connectable(typed, None)
        return tuple(connectable(url, None) for url in typed) if name == "servers" else typed
    except UsageError as error:
        raise UsageError(f"{place}: {name}: {error}", error.remedy) from None


def _bare_host(host: str, place: str, variable: str) -> str:
    """A host of [keys] as addresses have it. Raises UsageError for more than a host, or no variable."""
    check_variable(variable, f"{place}: keys: {host!r}")
    shape = f"//[{host}]" if host.count(":") > 1 else f"//{host}"
    if place_of(shape) != (host.lower(), 80) or host.split() != [host]:
        raise UsageError(f"{place}: keys: {host!r} is no bare host", "leave scheme, port and path out")
    return host.lower()


def _from_environment() -> list[tuple[str, str, Any]]:
    """(variable, setting, value), the weaker first. Empty variables count as absent."""
    found: list[tuple[str, str, Any]] = []
    environ = variables()
    for variable in ("OLLAMA_HOST", "OLLAMA_BASE_URL"):
        if value := environ.get(variable, "").strip():
            place = f"{where_set(variable)} ({variable})"
            found.append((variable, "ollama_url", _typed("ollama_url", value, place)))
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable in KEY_VARIABLES or not text.strip():
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in SETTABLE or name == "keys":
            known = tuple(PREFIX + name.upper() for name in SETTABLE if name != "keys")
            raise UsageError(f"{where_set(variable)}: unknown setting {variable}", _nearest(variable, known))
        place = f"{where_set(variable)} ({variable})"
        found.append((variable, name, _typed(name, _parsed(name, text.strip()), place)))
    return sorted(found, key=lambda each: where_set(each[0]) != DOTENV)


def _parsed(name: str, text: str) -> Any:
    """An environment variable's text as the value that a file would hold; what cannot be read stays text."""
    if name == "servers":
        return [part.strip() for part in text.split(",") if part.strip()]
    if name.endswith("_s"):
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _default_data_dir() -> str:
    from platformdirs import user_data_dir

    return user_data_dir("tiltyard", appauthor=False)
