"""API keys: looked up when a request is about to be sent, for one address, and never kept, shown or stored.

A key goes only to the host that it is meant for; in texts of ours it becomes three stars.
"""

from __future__ import annotations

import threading
from functools import cache

from tiltyard.errors import UsageError
from tiltyard.settings.addresses import Place, is_local, place_of, searched
from tiltyard.settings.environment import KEY_VARIABLES, check_variable, variables, where_set
from tiltyard.settings.key_forms import any_form
from tiltyard.settings.values import Settings, load_settings

KEYRING_SERVICE = "tiltyard"
_handed_out: set[str] = set()
_asking = threading.Lock()


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
    key = _named_key(key_env) if key_env else _key_for(place_of(url), dialect, named)
    if key:
        _handed_out.add(key)
    return key


def key_once_refused(url: str, *, named: bool = False) -> str | None:
    """The keyring's key for a server on this machine that was `named` and refused a request without one.

    Asking a keyring takes time and can open a window, and most servers here want no key at all. Who asks
    from another thread meanwhile waits for that answer.
    """
    place = place_of(url)
    if not named and not _is_set(place, load_settings()):
        return None
    with _asking:
        key = _from_keyring(place[0])
    if key:
        _handed_out.add(key)
    return key


def _named_key(variable: str) -> str:
    check_variable(variable, "--api-key-env")
    key = variables().get(variable, "").strip()
    if not key:
        raise UsageError(f"the environment variable {variable} holds no API key", f"export {variable}=...")
    return key


def _ollama_set(settings: Settings) -> str | None:
    """Where a setting says that Ollama is; the default is nobody's word."""
    return settings.ollama_url if settings.origin("ollama_url") != "default" else None


def _is_set(place: Place, settings: Settings) -> bool:
    """Does a setting name this very place?"""
    urls = (settings.server, *settings.servers, _ollama_set(settings))
    return searched(place) in [searched(place_of(url)) for url in urls if url]


def _key_for(place: Place, dialect: str | None, named: bool) -> str | None:
    settings = load_settings()
    host, own_hosts = place[0], {searched((host, 0))[0]: name for host, name in settings.keys.items()}
    if (variable := own_hosts.get(searched(place)[0])) is not None:
        return _named_key(variable)
    named = named or _is_set(place, settings)
    place, ollama = searched(place), _ollama_set(settings)

    def meant(url: str) -> bool:
        """Is it the server at `url`? Of one that was only found the port counts too: others listen there."""
        other = searched(place_of(url))
        return other[0] == place[0] if named else other == place

    def is_ollama() -> bool:
        """Where a setting says so at this very port, it is Ollama before it says so itself."""
        if dialect is None:
            return ollama is not None and searched(place_of(ollama)) == place
        return dialect == "ollama" and named and meant(settings.ollama_url)

    own = settings.server is not None and meant(settings.server)
    sources = {
        "TILTYARD_API_KEY": own or (settings.server is None and named),
        "OPENAI_API_KEY": meant(variables().get("OPENAI_BASE_URL", "") or "https://api.openai.com"),
        "LM_API_TOKEN": dialect == "lmstudio" and (is_local(host) or own),
        "OLLAMA_API_KEY": host == "ollama.com" or is_ollama(),
    }
    for variable, source in sources.items():
        if source and (key := variables().get(variable, "").strip()):
            return key
    return None if is_local(host) else _from_keyring(host)


def keys_set() -> dict[str, str | None]:
    """Each key variable with where it is set or None; the keys themselves stay hidden."""
    names = dict.fromkeys((*KEY_VARIABLES, *load_settings().keys.values()))
    return {name: where_set(name) if variables().get(name, "").strip() else None for name in names}


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


def hide_keys(text: str) -> str:
    """The text with every API key that this process knows of, however escaped, replaced by ***."""
    try:
        found = variables()
    except UsageError:  # the text may be about that very file
        found = variables(dotenv=False)
    known = _handed_out | {found.get(name, "").strip() for name in KEY_VARIABLES}
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
