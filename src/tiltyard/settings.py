"""The only reader of the environment and of `tiltyard.toml`: defaults < file < .env < environment < flags.

The file is `./tiltyard.toml`, or else the one in the platform's configuration folder, never a mix of them.
Unknown keys and wrong types are errors that name the place. API keys are no settings: they are looked up when
a request is about to be sent, for one address, and never kept, shown or stored.
"""

from __future__ import annotations

import base64
import difflib
import html
import ipaddress
import logging
import os
import re
import sys
import threading
import tomllib
from collections import ChainMap
from collections.abc import Mapping
from functools import cache, lru_cache
from io import StringIO
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from tiltyard.errors import UsageError
from tiltyard.records import Record

FILE = "tiltyard.toml"
PREFIX = "TILTYARD_"
log = logging.getLogger(__name__)
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


SETTABLE = tuple(name for name in Settings.__struct_fields__ if name != "origins")
KEY_VARIABLES = ("TILTYARD_API_KEY", "OPENAI_API_KEY", "LM_API_TOKEN", "OLLAMA_API_KEY")
KEYRING_SERVICE = "tiltyard"


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


# ------------------------------------------------------------------ the file


def config_files(cwd: Path | None = None) -> tuple[Path, ...]:
    """The places where a file is looked for, in order."""
    from platformdirs import user_config_path

    return ((cwd or Path.cwd()) / FILE, user_config_path("tiltyard", appauthor=False) / FILE)


def config_file(cwd: Path | None = None) -> Path | None:
    """The file that is read, or None."""
    return next((path for path in config_files(cwd) if path.is_file()), None)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not TOML: it is not UTF-8 ({error.reason})", "save it as UTF-8"
        ) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "check its rights") from error
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}, {_broken_place(str(error), text)}", "correct that line") from error
    values = {}
    for name, value in found.items():
        place = f"{path}, line {_line_of(name, text)}"
        if name not in SETTABLE:
            raise UsageError(f"{place}: unknown setting {name!r}", _nearest(name, SETTABLE))
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


def _line_of(name: str, text: str) -> int:
    pattern = re.compile(rf"^\s*\[*\s*[\"']?{re.escape(name)}[\"']?\s*[\].=]")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


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
        raise UsageError(f"{place}: {name}: {str(error).replace('`', '')}", remedy) from error
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


# ------------------------------------------------------------------ the environment

DOTENV = ".env"


def _environ() -> Mapping[str, str]:
    """The environment, and below it what `.env` in the current folder adds."""
    return ChainMap(os.environ, _dotenv_here())


def _dotenv_here() -> dict[str, str]:
    path = Path.cwd() / DOTENV
    try:
        state = path.stat()
    except OSError:
        return {}
    return _dotenv(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4)
def _dotenv(path: Path, size: int, mtime_ns: int) -> dict[str, str]:
    if not path.is_file():
        return {}  # some tools keep a folder of that name
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8", "save it as UTF-8") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "check its rights") from error
    good = []
    for entry in parse_stream(StringIO(text)):
        if entry.error:  # it may be another tool's file, and its text a key: not refused, and not shown
            log.warning(
                "%s, line %d is left out: neither NAME=value nor a comment", path, entry.original.line
            )
        else:
            good.append(entry.original.string)
    found = dotenv_values(stream=StringIO("".join(good)))
    return {name: value for name, value in found.items() if value is not None}


def where_set(variable: str) -> str:
    """Which of the two a variable comes from: "environment" or ".env"."""
    return "environment" if variable in os.environ else DOTENV


def _from_environment() -> list[tuple[str, str, Any]]:
    """(variable, setting, value), the weaker first. Empty variables count as absent."""
    found: list[tuple[str, str, Any]] = []
    environ = _environ()
    for variable in ("OLLAMA_HOST", "OLLAMA_BASE_URL"):
        if value := environ.get(variable, "").strip():
            found.append((variable, "ollama_url", connectable(value, 11434)))
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable in KEY_VARIABLES or not text.strip():
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in SETTABLE or name == "keys":
            known = tuple(PREFIX + name.upper() for name in SETTABLE if name != "keys")
            raise UsageError(f"{where_set(variable)}: unknown setting {variable}", _nearest(variable, known))
        place = f"{where_set(variable)} ({variable})"
        found.append((variable, name, _typed(name, _parsed(name, text.strip()), place)))
    return found


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


def hub_folder() -> Path:
    """Where model hubs' own tools keep downloaded models on this machine; it need not be there."""
    found = _environ()
    if found.get("HF_HUB_CACHE"):
        return Path(found["HF_HUB_CACHE"]).expanduser()
    home = found.get("HF_HOME") or str(Path(found.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(home).expanduser() / "hub"


def connectable(text: str, default_port: int | None) -> str:
    """An address one can connect to, from what servers are told to listen on.

    `0.0.0.0` and `::` become the loopback address, a missing scheme http, a missing host 127.0.0.1. The port
    is `default_port` only where no scheme was written, as Ollama reads its OLLAMA_HOST.
    """
    text = text.strip().strip("\"'").strip()
    if not text:
        raise UsageError(
            "an address must not be empty", "write it like http://127.0.0.1:11434, or leave it out"
        )
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "http", text
    if "@" in rest.partition("/")[0]:
        raise UsageError(
            f"the address {without_login(text)} holds a user name or password",
            "use an API key: docs/settings.md",
        )
    if found:
        default_port = None
    elif rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"  # a bare IPv6 address
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        raise UsageError(
            f"{without_login(text)!r} is no address: its host or port cannot be read",
            "write it like http://127.0.0.1:11434",
        ) from None
    if scheme not in ("http", "https") or any(char.isspace() for char in host):
        raise UsageError(
            f"{without_login(text)!r} is no http address", "write it like http://127.0.0.1:11434"
        )
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    port = port if port is not None else default_port
    return f"{scheme}://{shown}" + (f":{port}" if port is not None else "") + parts.path.rstrip("/")


def without_login(text: str) -> str:
    """An address as it may be shown: what stands before an @ can be a password."""
    before, at, rest = text.rpartition("@")
    scheme, found, _ = before.partition("://")
    return f"{scheme if found else ''}{found}***@{rest}" if at else text


# ------------------------------------------------------------------ API keys

_handed_out: set[str] = set()
_named: set[str] = set()  # variables that [keys] or --api-key-env named
_asking = threading.Lock()
Place = tuple[str, int | None]


def api_key(
    url: str, dialect: str | None = None, key_env: str | None = None, *, named: bool = False
) -> str | None:
    """The key for one address, or None. A key goes only to the host that it is meant for.

    In this order: the variable named by `key_env` (UsageError when it is empty); the variable named for the
    host in the file's [keys]; TILTYARD_API_KEY, for the host of the `server` setting, or for an address that
    is `named` when there is none; the dialect's own variable; for other machines the keyring (service
    "tiltyard", the host as user name; for this one: `key_once_refused`). `named`: the user typed this
    address; one that a setting names counts as such. Who was only found may be anybody.
    """
    key = _named_key(key_env) if key_env else _key_for(_place(url), dialect, named)
    if key:
        _handed_out.add(key)
    return key


def key_once_refused(url: str, *, named: bool = False) -> str | None:
    """The keyring's key for a server on this machine that was `named` and refused a request without one.

    Asking a keyring takes time and can open a window, and most servers here want no key at all. Who asks
    from another thread meanwhile waits for that answer.
    """
    place = _place(url)
    if not named and not _is_set(place, load_settings()):
        return None
    with _asking:
        key = _from_keyring(place[0])
    if key:
        _handed_out.add(key)
    return key


def _bare_host(host: str, place: str, variable: str) -> str:
    """A host of [keys] as addresses have it. Raises UsageError for more than a host, or no variable."""
    _check_variable(variable, f"{place}: keys: {host!r}")
    shape = f"//[{host}]" if host.count(":") > 1 else f"//{host}"
    if _place(shape) != (host.lower(), 80) or host.split() != [host]:
        raise UsageError(f"{place}: keys: {host!r} is no bare host", "leave scheme, port and path out")
    return host.lower()


def _check_variable(variable: str, place: str) -> None:
    """Raises UsageError for what can be no variable's name, without repeating it: it may be the key."""
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable) and variable not in _environ():
        raise UsageError(
            f"{place} must be the NAME of an environment variable that holds the key",
            "export MY_KEY=..., and give MY_KEY there",
        )
    _named.add(variable)


def _named_key(variable: str) -> str:
    _check_variable(variable, "--api-key-env")
    key = _environ().get(variable, "").strip()
    if not key:
        raise UsageError(f"the environment variable {variable} holds no API key", f"export {variable}=...")
    return key


def _place(url: str) -> Place:
    """Host and port; an empty host for what is no address: whoever connects will say so."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "", None


def _searched(place: Place) -> Place:
    """A place as a search writes it (`servers/discover.py`)."""
    return ("127.0.0.1", place[1]) if place[0] == "localhost" else place


def _ollama_set(settings: Settings) -> str | None:
    """Where a setting says that Ollama is; the default is nobody's word."""
    return settings.ollama_url if settings.origin("ollama_url") != "default" else None


def _is_set(place: Place, settings: Settings) -> bool:
    """Does a setting name this very place?"""
    urls = (settings.server, *settings.servers, _ollama_set(settings))
    return _searched(place) in [_searched(_place(url)) for url in urls if url]


def _key_for(place: Place, dialect: str | None, named: bool) -> str | None:
    settings = load_settings()
    host, own_hosts = place[0], {_searched((host, 0))[0]: name for host, name in settings.keys.items()}
    if (variable := own_hosts.get(_searched(place)[0])) is not None:
        return _named_key(variable)
    named = named or _is_set(place, settings)
    place, ollama = _searched(place), _ollama_set(settings)

    def meant(url: str) -> bool:
        """Is it the server at `url`? Of one that was only found the port counts too: others listen there."""
        other = _searched(_place(url))
        return other[0] == place[0] if named else other == place

    def is_ollama() -> bool:
        """Where a setting says so at this very port, it is Ollama before it says so itself."""
        if dialect is None:
            return ollama is not None and _searched(_place(ollama)) == place
        return dialect == "ollama" and named and meant(settings.ollama_url)

    own = settings.server is not None and meant(settings.server)
    sources = {
        "TILTYARD_API_KEY": own or (settings.server is None and named),
        "OPENAI_API_KEY": meant(_environ().get("OPENAI_BASE_URL", "") or "https://api.openai.com"),
        "LM_API_TOKEN": dialect == "lmstudio" and (is_local(host) or own),
        "OLLAMA_API_KEY": host == "ollama.com" or is_ollama(),
    }
    for variable, source in sources.items():
        if source and (key := _environ().get(variable, "").strip()):
            return key
    return None if is_local(host) else _from_keyring(host)


def keys_set() -> dict[str, str | None]:
    """Each key variable with where it is set or None; the keys themselves stay hidden."""
    names = dict.fromkeys((*KEY_VARIABLES, *load_settings().keys.values()))
    return {name: where_set(name) if _environ().get(name, "").strip() else None for name in names}


@cache
def _from_keyring(host: str) -> str | None:
    if not host:
        return None
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    try:
        key: str | None = keyring.get_password(KEYRING_SERVICE, host)
    except (keyring.errors.KeyringError, ImportError, RuntimeError, OSError):
        return None  # locked, without a backend, or set to one that does not load: it holds no key for us
    return key


_SLASHES = r"\\\\{0,7}"  # JSON within JSON doubles them
_SHORTEST_IN_BASE64 = 6  # of a shorter key too few letters would be left to look for


@cache
def any_form(key: str) -> tuple[tuple[re.Pattern[str], ...], tuple[re.Pattern[bytes], ...]]:
    """Patterns, for text and for bytes, of a key as itself, as JSON, URLs or HTML may escape any of it, as a
    server reads it that takes its bytes for single letters, and in base64 with anything around it.

    Several, since one that begins with a fixed letter is found ten times as fast as a choice of them.
    """
    patterns = ["".join(map(_forms, key))]
    if len(key) >= _SHORTEST_IN_BASE64:
        patterns += _in_base64(key)
    return tuple(map(re.compile, patterns)), tuple(re.compile(each.encode()) for each in patterns)


def _in_base64(key: str) -> list[str]:
    """Patterns of the letters that its bytes alone decide, wherever in a group of three they begin."""
    found = []
    for data in dict.fromkeys((key.encode(), key.encode().decode("latin-1").encode())):
        for before, undecided in ((0, 0), (1, 2), (2, 3)):
            coded = base64.b64encode(bytes(before) + data).decode()[undecided : 8 * (before + len(data)) // 6]
            found.append("".join(_IN_BASE64.get(letter, letter) for letter in coded))
    return found


def _forms(char: str) -> str:
    """One character in every form, also as the two or three letters that its bytes are to some."""
    found = [_written(char)]
    if not char.isascii():
        data = char.encode()
        read = dict.fromkeys((data.decode("latin-1"), data.decode("cp1252", "replace")))
        found += ["".join(map(_written, letters)) for letters in read]
    return f"(?:{'|'.join(found)})" if len(found) > 1 else found[0]


def _written(char: str) -> str:
    """One letter as it may be escaped. Each way begins with a plain letter: so a search stays quick."""
    units = char.encode("utf-16-be").hex()
    code = "".join(rf"{_SLASHES}u{_in_either_case(units[i : i + 4])}" for i in range(0, len(units), 4))
    if not char.isascii() and ord(char) < 0x100:
        code += rf"|{_SLASHES}x{_in_either_case(f'{ord(char):02x}')}"  # as Python shows bytes
    escaped = [] if char.isalnum() else [rf"{_SLASHES}{re.escape(char)}"]
    percent = "".join(f"%(?:25){{0,3}}{_in_either_case(f'{byte:02x}')}" for byte in char.encode())
    number = f"&#(?:0{{0,6}}{ord(char)}|[xX]0{{0,6}}{_in_either_case(f'{ord(char):x}')});"
    named = [html.escape(char)] if html.escape(char) != char else []
    return f"(?:{'|'.join([re.escape(char), code, *escaped, percent, number, *named])})"


def _in_either_case(digits: str) -> str:
    return "".join(f"[{each}{each.upper()}]" if each.isalpha() else each for each in digits)


_IN_BASE64 = {"+": f"(?:-|{_written('+')})", "/": f"(?:_|{_written('/')})"}  # in either alphabet


def hide_keys(text: str) -> str:
    """The text with every API key that this process knows of, however escaped, replaced by ***."""
    try:
        environ = _environ()
    except UsageError:  # the text may be about that very file
        environ = os.environ
    known = _handed_out | {environ.get(name, "").strip() for name in KEY_VARIABLES}
    for key in known:
        if not is_word(key):
            for form in any_form(key)[0]:
                text = form.sub("***", text)
    return text


def is_word(key: str) -> bool:
    """Is a key too short and plain to be a secret? `ollama`, `lm-studio`, `000000` are usual where any key
    will do, and stand in many a text of ours.
    """
    mixed = any(map(str.isdigit, key)) and any(map(str.isalpha, key))
    return len(key) < 6 or (len(key) < 12 and not mixed)


def is_local(host: str) -> bool:
    """Is this host name the machine itself?"""
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# ------------------------------------------------------------------ what else the environment says


def proxy_for(url: str) -> str | None:
    """The proxy that the environment (or the system) wants for this address; never for this machine.

    Raises UsageError for one that is no HTTP proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    told = sys.platform in ("darwin", "win32") or any(name.lower().endswith("_proxy") for name in os.environ)
    if is_local(host) or not told:
        return None
    import urllib.request  # takes longer to import than most commands run

    if urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not re.match(r"https?://[^/]", proxy):
        raise UsageError(
            f"{parts.scheme}_proxy names no HTTP proxy", f"write http://HOST:PORT, or add {host} to no_proxy"
        )
    return proxy or None


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a child process: ours without any API key, and what it needs besides.

    Keys are what stands in the known variables and in those that [keys] or --api-key-env named so far.
    """
    hidden = _named.union(KEY_VARIABLES)
    return {**{name: value for name, value in os.environ.items() if name not in hidden}, **(extra or {})}


def variable(name: str) -> str | None:
    """An environment variable of somebody else's, such as XDG_RUNTIME_DIR; None when unset or empty."""
    return _environ().get(name) or None
