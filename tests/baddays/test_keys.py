"""A wrong API key is said; no key, right or wrong, is ever printed, kept or handed on."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.baddays.conftest import Tiltyard, fixed, quick, refused, simulated
from tests.conftest import Finished
from tests.servers.scripted import Script, ScriptedServer, chunk, head, sized

RIGHT = "sk-right-0123456789abcdef"
WRONG = "sk-wrong-fedcba9876543210"


def nowhere(key: str, done: list[Finished], folder: Path) -> None:
    """The key is in no output and in no file below the folder, the store and its log included."""
    for each in done:
        assert key not in each.out
        assert key not in each.err
    for file in folder.rglob("*"):
        if file.is_file():
            assert key.encode() not in file.read_bytes(), file


def test_a_missing_or_wrong_key_is_refused_and_never_kept(tiltyard: Tiltyard, tmp_path: Path) -> None:
    with simulated(api_key=RIGHT) as simulator:
        url = simulator.url("openai")
        none = tiltyard(*quick(url))
        refused(none, 3, "lets nobody in without its key", "TILTYARD_API_KEY", "--api-key-env NAME")
        wrong = tiltyard(*quick(url), env={"TILTYARD_API_KEY": WRONG})
        refused(wrong, 3, "HTTP 401")
        named = tiltyard(*fixed(url, "--dialect", "openai", "--api-key-env", "MINE"), env={"MINE": WRONG})
        refused(named, 3, "HTTP 401")
        empty = tiltyard(*quick(url, "--api-key-env", "MINE"))
        refused(empty, 2, "MINE holds no API key", "export MINE=")
    nowhere(WRONG, [none, wrong, named, empty], tmp_path)


def test_the_right_key_opens_the_server_and_is_nowhere_afterwards(tiltyard: Tiltyard, tmp_path: Path) -> None:
    env = {"MINE": RIGHT}
    with simulated(api_key=RIGHT) as simulator:
        done = [tiltyard(*fixed(simulator.url("openai"), "--api-key-env", "MINE", "--json"), env=env)]
        assert done[0].code == 0, done[0].err
        done.append(tiltyard(*fixed(simulator.url("openai"), "--fresh"), env={"TILTYARD_API_KEY": RIGHT}))
        assert done[1].code == 0, done[1].err
    done += [tiltyard("export", "--format", kind) for kind in ("json", "jsonl", "csv", "md")]
    done += [tiltyard("show", "latest", "1"), tiltyard("config", "show", env=env), tiltyard("report")]
    assert all(each.code == 0 for each in done)
    assert (tmp_path / "tiltyard-report.html").exists()
    nowhere(RIGHT, done, tmp_path)


LISTED = b'{"object":"list","data":[{"id":"m","object":"model","owned_by":"me"}]}'
ERROR = b'{"error":{"message":"Incorrect API key provided: %s","code":401}}' % WRONG.encode()


@pytest.mark.parametrize("in_stream", [False, True])
def test_a_server_that_quotes_the_key_does_not_make_us_keep_it(
    tiltyard: Tiltyard, tmp_path: Path, in_stream: bool
) -> None:
    def answer(number: int) -> Script:
        if server.requests[number].startswith(b"GET /v1/models"):
            return [sized(LISTED)]
        if not server.requests[number].startswith(b"POST"):
            return [sized(b"{}", status=b"404 Not Found")]
        if in_stream:
            event = chunk(b"data: " + ERROR + b"\n\n")
            return [head(more=b"Transfer-Encoding: chunked\r\n"), event, b"0\r\n\r\n"]
        return [sized(ERROR, status=b"401 Unauthorized")]

    env = {"TILTYARD_API_KEY": WRONG}
    with ScriptedServer(answer) as server:
        done = [tiltyard(*fixed(server.url, "--json"), env=env), tiltyard(*quick(server.url), env=env)]
        refused(done[0], 1, "only 0 of 3 requests succeeded")
        refused(done[1], 3, "Incorrect API key provided: ***")
    done += [tiltyard("show", "latest"), tiltyard("runs"), tiltyard("export", "--format", "jsonl")]
    done.append(tiltyard("report"))
    nowhere(WRONG, done, tmp_path)


@pytest.mark.parametrize("field", ["content", "reasoning_content", "tool_calls"])
def test_a_key_that_comes_in_pieces_is_not_kept(tiltyard: Tiltyard, tmp_path: Path, field: str) -> None:
    def event(text: str, **more: str) -> bytes:
        call = [{"index": 0, "id": "c", "function": {"name": "f", "arguments": text}}]
        delta = {field: call if field == "tool_calls" else text} if text else {}
        choice = {"index": 0, "delta": delta, "finish_reason": None, **more}
        return b"data: " + json.dumps({"model": "m", "choices": [choice]}).encode() + b"\n\n"

    said = [
        event("It is "),
        event(RIGHT[:12]),
        event(RIGHT[12:]),
        event("!"),
        event("", finish_reason="stop"),
    ]

    def answer(number: int) -> Script:
        if server.requests[number].startswith(b"GET"):
            return [sized(LISTED)]
        return [head(more=b"Transfer-Encoding: chunked\r\n"), *map(chunk, said), b"0\r\n\r\n"]

    with ScriptedServer(answer) as server:
        words = ("--dialect", "openai", "--api-key-env", "MINE", "--json")
        done = [tiltyard(*fixed(server.url, *words), env={"MINE": RIGHT})]
    assert done[0].code == 0, done[0].err
    done += [tiltyard("export", "--format", kind) for kind in ("json", "jsonl", "csv", "md")]
    done += [tiltyard("show", "latest", "1"), tiltyard("report")]
    assert f"It is {'*' * len(RIGHT)}!" in done[-2].out
    assert RIGHT[:12] not in done[-2].out
    nowhere(RIGHT, done, tmp_path)


def test_a_key_that_comes_token_by_token_with_its_chances_is_not_kept(
    tiltyard: Tiltyard, tmp_path: Path
) -> None:
    """As the option that a model chose, and as the tokens that it weighed."""
    tokens = ["A", " is ", *(RIGHT[at : at + 3] for at in range(0, len(RIGHT), 3))]

    def event(token: str, finish: str | None = None) -> bytes:
        chance = {"token": token, "logprob": -0.1, "bytes": list(token.encode())}
        known = {"content": [{**chance, "top_logprobs": [chance]}]}
        choice = {"index": 0, "delta": {"content": token}, "logprobs": known, "finish_reason": finish}
        return b"data: " + json.dumps({"model": "m", "choices": [choice]}).encode() + b"\n\n"

    def answer(number: int) -> Script:
        if server.requests[number].startswith(b"GET"):
            return [sized(LISTED)]
        said = [event(token) for token in tokens] + [event("", "stop")]
        return [head(more=b"Transfer-Encoding: chunked\r\n"), *map(chunk, said), b"0\r\n\r\n"]

    (tmp_path / "x.csv").write_text("What?,a,b,c,d,A\n")
    with ScriptedServer(answer) as server:
        words = (
            "--server",
            server.url,
            "--dialect",
            "openai",
            "--model",
            "m",
            "--api-key-env",
            "MINE",
            "--json",
        )
        done = [tiltyard("run", "mcq", str(tmp_path / "x.csv"), *words, env={"MINE": RIGHT})]
        assert b'"top_logprobs"' in server.requests[-1]
    assert done[0].code == 0, done[0].err
    done += [tiltyard("export", "--format", kind) for kind in ("json", "jsonl")]
    done += [tiltyard("show", "latest", "1", "--json"), tiltyard("report")]
    assert "*" * len(RIGHT) in done[-2].out
    nowhere(RIGHT, done, tmp_path)
    nowhere(json.dumps(RIGHT[3:6]), done, tmp_path)


def test_a_server_that_quotes_the_key_in_another_form_does_not_make_us_keep_it(
    tiltyard: Tiltyard, tmp_path: Path
) -> None:
    """As a login in base64, and read as single letters, as a server reads headers."""
    key = WRONG + "-grün"
    login, misread = base64.b64encode(f"user:{key}".encode()).decode(), key.encode().decode("latin-1")
    error = json.dumps({"error": {"message": f"Basic {login}, {misread}"}}, ensure_ascii=False).encode()

    def answer(number: int) -> Script:
        posted = server.requests[number].startswith(b"POST")
        return [sized(error if posted else LISTED, status=b"500 Oh" if posted else b"200 OK")]

    with ScriptedServer(answer) as server:
        done = [tiltyard(*fixed(server.url, "--dialect", "openai"), env={"TILTYARD_API_KEY": key})]
    refused(done[0], 1, "Basic dXNlcjp**", ", **")
    done += [tiltyard("show", "latest"), tiltyard("export", "--format", "jsonl"), tiltyard("report")]
    nowhere(login[10:-10], done, tmp_path)
    nowhere(misread, done, tmp_path)


SEARCHES = [
    ("servers",),
    ("models",),
    ("doctor",),
    ("run", "speed", "--model", "m"),
    ("run", "speed", "--all"),
]


@pytest.mark.parametrize("command", SEARCHES)
def test_a_search_says_who_wants_a_key(tiltyard: Tiltyard, command: tuple[str, ...]) -> None:
    with ScriptedServer(lambda _: [sized(b'{"error":"no key"}', status=b"401 Unauthorized")]) as server:
        env = {"TILTYARD_SERVERS": server.url, "COLUMNS": "300"}
        done = tiltyard(*command, env=env)
        assert server.requests
        assert "lets nobody in without its key (HTTP 401: no key)" in done.out + done.err
        assert "--server URL" in done.out + done.err
        assert "none runs on the known ports" not in done.out
        assert not any("broken" in line and server.url in line for line in done.out.splitlines())


@pytest.mark.parametrize(
    ("command", "setting", "variable"),
    [
        *((command, "OLLAMA_HOST", "TILTYARD_API_KEY") for command in SEARCHES),
        (SEARCHES[0], "OLLAMA_HOST", "OLLAMA_API_KEY"),
        (SEARCHES[0], "TILTYARD_SERVERS", "TILTYARD_API_KEY"),
    ],
)
def test_a_search_lets_itself_in_where_a_setting_names_the_server(
    tiltyard: Tiltyard, command: tuple[str, ...], setting: str, variable: str
) -> None:
    with ScriptedServer(lambda _: [sized(b'{"error":"no key"}', status=b"401 Unauthorized")]) as server:
        tiltyard(*command, env={variable: RIGHT, setting: server.url.replace("127.0.0.1", "localhost")})
        shown = [RIGHT.encode() in asked for asked in server.requests]
    assert shown
    assert all(shown)


def test_a_key_for_no_address_is_an_error(tiltyard: Tiltyard) -> None:
    done = tiltyard("run", "speed", "--model", "m", "--api-key-env", "MINE", env={"MINE": RIGHT})
    refused(done, 2, "--api-key-env needs the address that the key is for", "add --server URL")


def test_a_key_written_into_an_address_is_not_kept(tiltyard: Tiltyard, tmp_path: Path) -> None:
    with simulated() as simulator:
        url = simulator.url("openai").replace("http://", f"http://me:{RIGHT}@")
        done = [tiltyard(*fixed(url, "--json"))]
        assert done[0].code == 0, done[0].err
    done += [tiltyard("show", "latest"), tiltyard("export", "--format", "jsonl"), tiltyard("report")]
    nowhere(RIGHT, done, tmp_path)


def test_a_login_is_not_in_what_is_said_of_a_server_without_models(tiltyard: Tiltyard) -> None:
    with ScriptedServer(lambda _: [sized(b'{"object":"list","data":[]}')]) as server:
        url = server.url.replace("//", "//me:PASSWORDzz77@")
        done = tiltyard("run", "speed", "--server", url)
    assert done.code == 3
    assert "no model found on http://127.0.0.1" in done.err
    assert "PASSWORDzz77" not in done.out + done.err


def test_an_address_that_is_none_is_refused_with_a_key_too(tiltyard: Tiltyard) -> None:
    done = tiltyard(
        "run", "speed", "--server", "http://[::1", "--api-key-env", "MY_KEY", env={"MY_KEY": "sk-77"}
    )
    assert done.code == 2
    assert "is not the address of a server" in done.err
    assert "Traceback" not in done.err


def test_a_key_that_is_refused_for_answers_alone_is_named_as_the_remedy(tiltyard: Tiltyard) -> None:
    with simulated("unauthorized_401") as simulator:
        done = tiltyard(*fixed(simulator.url("openai"), "--requests", "2"))
    refused(done, 1, "0 of 2 requests succeeded", "HTTP 401", "TILTYARD_API_KEY", "--api-key-env")
