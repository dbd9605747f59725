"""Where settings come from, what is refused, and who gets an API key."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tiltyard.errors import UsageError
from tiltyard.settings import (
    any_form,
    api_key,
    child_environment,
    connectable,
    data_dir,
    hide_keys,
    keys_set,
    load_settings,
    proxy_for,
    variable,
)


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without settings, and an empty folder to stand in."""
    for name in list(os.environ):
        if name.startswith(("TILTYARD_", "OLLAMA_", "OPENAI_", "LM_API")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, path: str = "tiltyard.toml") -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_each_source_outweighs_the_one_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load_settings().origin("gap_timeout_s") == "default"
    assert load_settings().gap_timeout_s == 60.0
    write("gap_timeout_s = 7\nservers = ['localhost:1']\n")
    found = load_settings()
    assert (found.gap_timeout_s, found.origin("gap_timeout_s")) == (7.0, str(tmp_path / "tiltyard.toml"))
    assert found.servers == ("http://localhost:1",)
    monkeypatch.setenv("TILTYARD_GAP_TIMEOUT_S", "8.5")
    found = load_settings()
    assert (found.gap_timeout_s, found.origin("gap_timeout_s")) == (
        8.5,
        "environment (TILTYARD_GAP_TIMEOUT_S)",
    )
    found = load_settings({"gap_timeout_s": 9.0, "server": None})
    assert (found.gap_timeout_s, found.origin("gap_timeout_s")) == (9.0, "flag")
    assert found.origin("server") == "default"
    monkeypatch.setenv("TILTYARD_SERVERS", "http://a:1/, b:2")
    assert load_settings().servers == ("http://a:1", "http://b:2")


def test_the_file_of_the_folder_comes_before_the_users(tmp_path: Path) -> None:
    from tiltyard.settings import config_files

    users = config_files()[1]
    write("gap_timeout_s = 1", str(users))
    assert load_settings().gap_timeout_s == 1.0
    write("connect_timeout_s = 2")
    assert load_settings().gap_timeout_s == 60.0  # one file, never a mix


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gap_timeout_s = = 3", "line 1: not TOML, at key 'gap_timeout_s'"),
        ("\n\nservers = [1,\n", "line 3: not TOML, at key 'servers'"),
        ("# one\ngap_timout_s = 3", "line 2: unknown setting 'gap_timout_s'"),
        ("connect_timeout_s = 1\n[nonsense]\na = 1", "line 2: unknown setting 'nonsense'"),
        ("\ngap_timeout_s = 'long'", "line 2: gap_timeout_s: Expected float, got str"),
        ("a = " + "[" * 5000, "cannot be read: brackets are too deep"),
        ("gap_timeout_s = " + "9" * 6000, "cannot be read: a number is too long"),
        ("gap_timeout_s = -1", "line 1: gap_timeout_s must be above 0"),
        ("gap_timeout_s = nan", "must be above 0"),
        ("servers = 'one'", "servers: Expected array"),
        ("origins = {}", "unknown setting 'origins'"),
        ("server = 'ftp://x'", "no http address"),
        ("gap_timeout_s = 3\nserver = ''", "line 2: server: an address must not be empty"),
        ("servers = ['h:1', ' ']", "line 1: servers: an address must not be empty"),
        ("ollama_url = ''", "line 1: ollama_url: an address must not be empty"),
        ("server = 'http://me:secret@x'", "holds a user name or password"),
        ("[keys]\na = 3", "line 2: keys: Expected str, got int for 'a'"),
        ("server = 'x'\n[keys]\nb = 'B'\nserver = 3", "line 4: keys: Expected str, got int for 'server'"),
        ("[keys]\n'a:1' = 'A'", "line 2: keys: 'a:1' is no bare host"),
        ("\nkeys = {a = 3}", "line 2: keys: Expected str, got int for 'a'"),
    ],
)
def test_a_bad_file_is_named_with_its_line(text: str, words: str) -> None:
    write(text)
    with pytest.raises(UsageError) as caught:
        load_settings()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "config show" not in caught.value.remedy  # it stops at the same error
    if "://" not in text:
        assert "tiltyard.toml" in str(caught.value)


def test_the_nearest_name_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    write("gap_timout_s = 3")
    with pytest.raises(UsageError) as caught:
        load_settings()
    assert caught.value.remedy == "did you mean gap_timeout_s?"
    Path("tiltyard.toml").unlink()
    monkeypatch.setenv("TILTYARD_DATADIR", "/x")
    with pytest.raises(UsageError, match="TILTYARD_DATADIR") as caught:
        load_settings()
    assert caught.value.remedy == "did you mean TILTYARD_DATA_DIR?"


def test_a_file_that_is_not_text() -> None:
    Path("tiltyard.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not TOML"):
        load_settings()


def test_a_byte_order_mark_is_no_part_of_the_file() -> None:
    write("\ufeffgap_timeout_s = 7\n")
    assert load_settings().gap_timeout_s == 7.0


@pytest.mark.parametrize(
    ("name", "text"),
    [("TILTYARD_GAP_TIMEOUT_S", "soon"), ("OLLAMA_HOST", ":99999"), ("OLLAMA_BASE_URL", "http://[::1")],
)
def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(UsageError, match=rf"environment \({name}\)"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        (":5000", "http://127.0.0.1:5000"),
        ("gpu-box", "http://gpu-box:11434"),
        ("http://gpu-box", "http://gpu-box"),
        ("https://ollama.example/base/", "https://ollama.example/base"),
        ("[::]:11434", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        (' "127.0.0.1:1" ', "http://127.0.0.1:1"),
    ],
)
def test_ollama_addresses_become_connectable(monkeypatch: pytest.MonkeyPatch, text: str, url: str) -> None:
    monkeypatch.setenv("OLLAMA_HOST", text)
    found = load_settings()
    assert found.ollama_url == url
    assert found.origin("ollama_url") == "environment (OLLAMA_HOST)"
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://other:1")
    assert load_settings().ollama_url == "http://other:1"
    monkeypatch.setenv("TILTYARD_OLLAMA_URL", "third:2")
    assert load_settings().ollama_url == "http://third:2"


def test_ollamas_address_too_is_of_the_strongest_source(monkeypatch: pytest.MonkeyPatch) -> None:
    write("TILTYARD_OLLAMA_URL=a:1\nOLLAMA_BASE_URL=b:1\n", ".env")
    assert load_settings().ollama_url == "http://a:1"
    monkeypatch.setenv("OLLAMA_HOST", "c:1")
    found = load_settings()
    assert (found.ollama_url, found.origin("ollama_url")) == ("http://c:1", "environment (OLLAMA_HOST)")


@pytest.mark.parametrize("text", ["http://x:port", "http://x:99999", "http://[::1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        connectable(text, None)


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert data_dir().name == "tiltyard"
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(tmp_path / "here"))
    assert data_dir() == tmp_path / "here"
    assert not data_dir().exists()
    monkeypatch.delenv("TILTYARD_DATA_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write('data_dir = "~/results"\n')
    assert data_dir() == tmp_path / "home" / "results"


def test_a_key_goes_only_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-1")
    monkeypatch.setenv("LM_API_TOKEN", "lm-token-1")
    assert api_key("https://api.openai.com/v1") == "sk-openai-1"
    assert api_key("http://127.0.0.1:8000") is None
    assert api_key("https://api.openai.com.evil.example/v1") is None
    assert api_key("http://127.0.0.1:1234", "lmstudio") == "lm-token-1"
    assert api_key("http://127.0.0.1:1234", "openai") is None
    assert api_key("http://far.example:1234", "lmstudio") is None
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1")
    assert api_key("https://proxy.example/v1") == "sk-openai-1"
    assert api_key("https://api.openai.com/v1") is None
    monkeypatch.setenv("TILTYARD_API_KEY", "own-key-1")
    assert api_key("http://box:8000", named=True) == "own-key-1"
    assert api_key("http://box:8000") is None  # found, not named
    monkeypatch.setenv("TILTYARD_SERVER", "http://box:8000")
    assert api_key("http://box:8000") == "own-key-1"
    assert api_key("http://other:8000", named=True) is None
    assert api_key("http://other:8000", key_env="LM_API_TOKEN") == "lm-token-1"
    with pytest.raises(UsageError, match="NO_SUCH_KEY"):
        api_key("http://other:8000", key_env="NO_SUCH_KEY")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("OLLAMA_HOST", "0.0.0.0:8000"),
        ("OLLAMA_BASE_URL", "http://localhost:8000"),
        ("TILTYARD_OLLAMA_URL", "http://127.0.0.1:8000/ollama"),
        ("TILTYARD_SERVERS", "http://far.example:1,http://localhost:8000"),
    ],
)
def test_a_server_that_a_setting_names_is_named(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    monkeypatch.setenv("TILTYARD_API_KEY", "own-key-1")
    assert api_key("http://127.0.0.1:8000") is None
    monkeypatch.setenv(setting, value)
    assert api_key("http://127.0.0.1:8000") == "own-key-1"
    assert api_key("http://127.0.0.1:8080") is None
    monkeypatch.setenv("TILTYARD_SERVER", "http://box:8000")  # whose key it is
    assert api_key("http://127.0.0.1:8000") is None


def test_ollamas_key_goes_where_a_setting_says_that_ollama_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "ollama-key-1")
    assert api_key("https://ollama.com") == "ollama-key-1"
    for dialect in (None, "ollama"):
        assert api_key("http://127.0.0.1:11434", dialect) is None  # only found
    monkeypatch.setenv("OLLAMA_HOST", "localhost:11434")
    for dialect in (None, "ollama"):  # also while it is found out who it is
        assert api_key("http://127.0.0.1:11434", dialect) == "ollama-key-1"
        assert api_key("http://127.0.0.1:8000", dialect) is None
    assert api_key("http://127.0.0.1:8000", named=True) is None
    assert api_key("http://127.0.0.1:11434", "vllm") is None


@pytest.mark.parametrize(
    ("place", "variable"),
    [("TILTYARD_SERVER", "TILTYARD_API_KEY"), ("OPENAI_BASE_URL", "OPENAI_API_KEY")],
)
def test_who_listens_beside_the_server_of_a_key_is_not_shown_it(
    monkeypatch: pytest.MonkeyPatch, place: str, variable: str
) -> None:
    monkeypatch.setenv(place, "http://127.0.0.1:8080/v1")
    monkeypatch.setenv(variable, "own-key-1")
    assert api_key("http://127.0.0.1:8080") == "own-key-1"
    assert api_key("http://127.0.0.1:8000") is None
    assert api_key("http://127.0.0.1:8000", named=True) == "own-key-1"  # the user's own word


def test_a_file_names_the_variable_of_a_host_never_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    write("[keys]\n'box.example' = 'BOX_KEY'\n")
    monkeypatch.setenv("BOX_KEY", "box-secret-1")
    assert api_key("https://box.example/v1") == "box-secret-1"
    assert keys_set()["BOX_KEY"] == "environment"
    assert "box-secret-1" not in repr(load_settings())
    assert hide_keys("said box-secret-1!") == "said ***!"


def test_a_host_of_keys_is_one_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    write("[keys]\n'LocalHost' = 'HERE_KEY'\n'Box.Example' = 'BOX_KEY'\n'fe80::1' = 'SIX_KEY'\n")
    for name in ("HERE_KEY", "BOX_KEY", "SIX_KEY"):
        monkeypatch.setenv(name, f"{name}-secret-1")
    for url in ("http://localhost:8000/v1", "http://127.0.0.1:8000", "https://LOCALHOST:8443"):
        assert api_key(url) == "HERE_KEY-secret-1"
    assert api_key("https://box.example") == "BOX_KEY-secret-1"
    assert api_key("http://[fe80::1]:8000") == "SIX_KEY-secret-1"


@pytest.mark.parametrize("host", ["localhost:8443", "https://box.example", "box.example/v1", "a b", "me@box"])
def test_a_key_is_for_a_host_alone(host: str) -> None:
    write(f"[keys]\n'{host}' = 'BOX_KEY'\n")
    with pytest.raises(UsageError, match="is no bare host") as caught:
        load_settings()
    assert host in str(caught.value)


@pytest.mark.parametrize("key", ["sk-abcdef0123456789", "hf_aBcDeF", "secret", "A KEY"])
def test_a_key_in_place_of_a_name_is_refused_and_not_repeated(key: str) -> None:
    write(f"[keys]\n'box.example' = '{key}'\n")
    with pytest.raises(UsageError, match=r"'box\.example' must be the NAME") as caught:
        load_settings()
    Path("tiltyard.toml").unlink()
    with pytest.raises(UsageError, match="--api-key-env must be the NAME") as direct:
        api_key("https://box.example/v1", key_env=key)
    for error in (caught.value, direct.value):
        assert key not in f"{error} {error.remedy}"


def test_children_get_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of known names, nor those that the file or the command line named; all else they get."""
    write("[keys]\n'box.example' = 'BOX_SECRET'\n")
    for name in ("OPENAI_API_KEY", "BOX_SECRET", "MY_SECRET", "ANOTHER"):
        monkeypatch.setenv(name, f"of {name}")
    load_settings()
    assert api_key("https://far.example/v1", key_env="MY_SECRET") == "of MY_SECRET"
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=child_environment(),
        capture_output=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    assert not {"OPENAI_API_KEY", "BOX_SECRET", "MY_SECRET"} & seen.keys()
    assert (seen["ANOTHER"], seen["PATH"]) == ("of ANOTHER", os.environ["PATH"])


def test_a_known_key_is_hidden_however_it_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILTYARD_API_KEY", "sk+secret/1")
    for form in ("sk+secret/1", r"sk\u002Bsecret\/1", "sk%2bsecret%2F1", "sk&#43;secret/1"):
        assert hide_keys(f"said {form}.") == "said ***."
    assert hide_keys("sk+secret/2") == "sk+secret/2"


@pytest.mark.parametrize("read_as", ["latin-1", "cp1252"])
def test_a_key_is_hidden_where_a_server_read_its_bytes_as_other_letters(
    monkeypatch: pytest.MonkeyPatch, read_as: str
) -> None:
    monkeypatch.setenv("TILTYARD_API_KEY", "sk-grün€-1")
    seen = "sk-grün€-1".encode().decode(read_as)
    for form in (seen, json.dumps(seen), quote(seen), "".join(f"&#{ord(each)};" for each in seen)):
        assert hide_keys(f"said {form}.").strip('"') in ("said ***.", 'said "***".')
    assert hide_keys(f"said {'sk-grün€-1'.encode()!r}.") == "said b'***'."


@pytest.mark.parametrize("key", ["sk-ABCdef0123456789/xyz+==", "s3cr+et/KEYü-0123456789", "short1"])
@pytest.mark.parametrize("user", ["", "u:", "me:", "you:", "user:"])
def test_a_key_is_hidden_in_base64_wherever_it_begins(
    monkeypatch: pytest.MonkeyPatch, key: str, user: str
) -> None:
    monkeypatch.setenv("TILTYARD_API_KEY", key)
    for text in (key, key.encode().decode("latin-1")):
        for encoded in (base64.b64encode, base64.urlsafe_b64encode):
            coded = encoded(f"{user}{text}@host".encode()).decode()
            for form in (coded, coded.replace("/", "\\/"), quote(coded)):
                hidden = hide_keys(f"HTTP 500: Basic {form}")
                assert "***" in hidden
                left = hidden.removeprefix("HTTP 500: Basic ").partition("***")
                assert len(left[0]) + len(left[2]) <= 22  # what stands around it, and a few bits of its ends
                assert any(each.search(f"Basic {form}".encode()) for each in any_form(key)[1])


def test_what_is_base64_of_something_else_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILTYARD_API_KEY", "sk-ABCdef0123456789")
    text = base64.b64encode(bytes(range(256)) * 8).decode()
    assert hide_keys(text) == text
    assert len(any_form("short")[0]) == 1  # its base64 would be a few letters, as many words have them


def test_an_unset_variable_is_none() -> None:
    assert variable("NO_SUCH_VARIABLE") is None


def test_proxies_are_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert proxy_for("http://far.example/x") == "http://proxy:3128"
    assert proxy_for("http://127.0.0.1:11434") is None
    assert proxy_for("http://localhost:1") is None
    assert proxy_for("https://far.example") is None


def test_dotenv_stands_between_the_file_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    write("gap_timeout_s = 7\nconnect_timeout_s = 1.5\n")
    write(
        "TILTYARD_GAP_TIMEOUT_S=8\nOLLAMA_BASE_URL='http://a:1'\nTILTYARD_API_KEY=secret-of-dotenv\n", ".env"
    )
    found = load_settings()
    assert (found.gap_timeout_s, found.origin("gap_timeout_s")) == (8.0, ".env (TILTYARD_GAP_TIMEOUT_S)")
    assert (found.ollama_url, found.connect_timeout_s) == ("http://a:1", 1.5)
    assert keys_set()["TILTYARD_API_KEY"] == ".env"
    assert hide_keys("Bearer secret-of-dotenv") == "Bearer ***"
    assert "TILTYARD_API_KEY" not in os.environ
    monkeypatch.setenv("TILTYARD_GAP_TIMEOUT_S", "9")
    found = load_settings()
    assert (found.gap_timeout_s, found.origin("gap_timeout_s")) == (
        9.0,
        "environment (TILTYARD_GAP_TIMEOUT_S)",
    )


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_variable_leaves_room_for_dotenvs(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    write("TILTYARD_GAP_TIMEOUT_S=8\nMODEL_NAME=m2\nTILTYARD_API_KEY=secret-of-dotenv\n", ".env")
    for name in ("TILTYARD_GAP_TIMEOUT_S", "MODEL_NAME", "TILTYARD_API_KEY"):
        monkeypatch.setenv(name, blank)
    found = load_settings()
    assert (found.gap_timeout_s, found.origin("gap_timeout_s")) == (8.0, ".env (TILTYARD_GAP_TIMEOUT_S)")
    assert variable("MODEL_NAME") == "m2"
    assert keys_set()["TILTYARD_API_KEY"] == ".env"
    assert hide_keys("Bearer secret-of-dotenv") == "Bearer ***"


def test_a_dotenv_that_cannot_be_meant_is_named() -> None:
    write("TILTYARD_GAP_TIMEOUTS=8\n", ".env")
    with pytest.raises(UsageError, match=r"\.env: unknown setting TILTYARD_GAP_TIMEOUTS"):
        load_settings()
    Path(".env").write_bytes(b"A=\xff\xfe\xfa\n")
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        load_settings()
    assert hide_keys(str(caught.value)) == str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=1\n=sk-hidden\nB=2\n", 2),
        ("A=1\n\n# note\nKEY='sk-hidden\n", 4),
        ('KEY="sk-hidden" and more\n', 1),
        ("A=1\r\nif sk-hidden; then\r\n", 2),
    ],
)
def test_a_broken_line_of_a_dotenv_is_named_and_not_shown(
    text: str, line: int, caplog: pytest.LogCaptureFixture
) -> None:
    Path(".env").write_bytes(b"TILTYARD_GAP_TIMEOUT_S=7\n" + text.encode())
    assert load_settings().gap_timeout_s == 7.0
    assert f"{Path.cwd() / '.env'}, line {line + 1} is left out: " in caplog.text
    assert "hidden" not in caplog.text


def test_a_dotenv_of_another_tool_is_read() -> None:
    write("# theirs\nexport A=1\nB\nC = 'two\nlines'\nD=$A-$NONE\n\nTILTYARD_GAP_TIMEOUT_S=${A}5", ".env")
    assert load_settings().gap_timeout_s == 15.0
