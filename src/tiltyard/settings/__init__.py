"""The only reader of the environment and of `tiltyard.toml`: defaults < file < .env < environment < flags.

Settings are in `values.py`, what the environment says besides in `environment.py`. API keys are no settings:
`keys.py` looks them up when a request is about to be sent, for one address.
"""

from tiltyard.settings.addresses import connectable, is_local, without_login
from tiltyard.settings.environment import (
    KEY_VARIABLES,
    child_environment,
    hub_folder,
    proxy_for,
    variable,
    where_set,
)
from tiltyard.settings.key_forms import any_form
from tiltyard.settings.keys import KEYRING_SERVICE, api_key, hide_keys, is_word, key_once_refused, keys_set
from tiltyard.settings.values import (
    FILE,
    OLLAMA_URL,
    PREFIX,
    SETTABLE,
    Settings,
    config_file,
    config_files,
    data_dir,
    load_settings,
)

__all__ = [
    "FILE",
    "KEYRING_SERVICE",
    "KEY_VARIABLES",
    "OLLAMA_URL",
    "PREFIX",
    "SETTABLE",
    "Settings",
    "any_form",
    "api_key",
    "child_environment",
    "config_file",
    "config_files",
    "connectable",
    "data_dir",
    "hide_keys",
    "hub_folder",
    "is_local",
    "is_word",
    "key_once_refused",
    "keys_set",
    "load_settings",
    "proxy_for",
    "variable",
    "where_set",
    "without_login",
]
