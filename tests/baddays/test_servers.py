"""No server, the wrong one, one that hangs, lies, dies or refuses: said in one line, with the remedy."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.baddays.conftest import (
    LISTED,
    QUICK_MODEL,
    SAID,
    SimulatorProcess,
    Tiltyard,
    fixed,
    quick,
    refused,
    simulated,
)
from tests.patience import wait_for
from tests.servers.scripted import Script, ScriptedServer, chunk, chunked, head, sized
from tests.simulator.conftest import call
from tiltyard.servers.simulator import SimModel


@pytest.fixture
def free_port() -> Iterator[int]:
    """Nobody listens there, and nobody else can as long as it is held."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def test_no_server(tiltyard: Tiltyard, free_port: int) -> None:
    done = tiltyard(*quick(f"http://127.0.0.1:{free_port}"))
    refused(done, 3, f"127.0.0.1:{free_port}", "connection refused", "check that the server is running")
    refused(tiltyard("models", "--server", f"127.0.0.1:{free_port}"), 3, "no model server answers at")


@pytest.mark.slow
def test_a_port_that_accepts_and_says_nothing(tiltyard: Tiltyard) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        done = tiltyard(*quick(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        refused(done, 3, "no answer within 5 s", "check that the server is running")


def test_a_port_that_speaks_no_http(tiltyard: Tiltyard) -> None:
    with ScriptedServer(lambda _: [b"220 mail.example ESMTP\r\n", "close"]) as server:
        refused(tiltyard(*quick(server.url)), 3, "check that the server is running")


class Shop(BaseHTTPRequestHandler):
    """A web site like any other."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html><title>Shoes</title><p>Welcome!</html>")

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def shop() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_web_server_that_is_no_model_server(tiltyard: Tiltyard, shop: str) -> None:
    for words in ((), ("--dialect", "llamacpp"), ("--dialect", "ollama")):
        refused(tiltyard(*quick(shop, *words)), 3, "not as a model server", "check the port")
    refused(tiltyard(*fixed(shop, "--dialect", "openai")), 1, "only 0 of 3 requests succeeded")


def test_a_web_page_in_place_of_answers(tiltyard: Tiltyard, shop: str) -> None:
    says = "a web page answered, not a model server"
    done = tiltyard(*quick(shop, "--dialect", "openai"))
    refused(done, 3, says, "(Shoes)", "check the address and the port")
    done = tiltyard(*fixed(shop, "--dialect", "openai", "--json"))
    refused(done, 1, "only 0 of 3 requests succeeded", says)
    assert done.summary()["endings"] == {"http_error": 3}
    assert not any("cut off" in note for note in done.summary()["notes"])


def test_a_model_that_is_not_there(tiltyard: Tiltyard) -> None:
    models = tuple(SimModel(name=name, loaded=True) for name in ("qwen3:8b", "llama3:8b", "gemma3:12b"))
    with simulated(models=models) as simulator:
        url = simulator.url("openai")
        refused(tiltyard(*quick(url, model="qwen3:80b")), 3, "no model 'qwen3:80b'", "did you mean qwen3:8b")
        refused(tiltyard(*quick(url, model="xyzzy")), 3, "no model 'xyzzy'", "gemma3:12b")
        refused(tiltyard("run", "speed", "--server", url), 2, "which of 3 models?", "--model")


TEMPLATE = b'{"error":{"message":"%s","type":"BadRequestError","code":400}}'
NO_TEMPLATE = (
    b"default chat template is no longer allowed, so you must provide a chat template if the tokenizer "
    b"does not define one."
)


def answering(status: bytes, body: bytes) -> Callable[[ScriptedServer], Callable[[int], Script]]:
    """Lists one model `m`; every POST is answered like this."""

    def bound(server: ScriptedServer) -> Callable[[int], Script]:
        def script(number: int) -> Script:
            request = server.requests[number]
            if request.startswith(b"POST"):
                return [sized(body, status=status)]
            if request.startswith(b"GET /v1/models"):
                return [sized(LISTED)]
            return [sized(b'{"detail":"Not Found"}', status=b"404 Not Found")]

        return script

    return bound


def scripted(status: bytes, body: bytes) -> ScriptedServer:
    server = ScriptedServer(lambda _: [])
    server.answer = answering(status, body)(server)
    return server


@pytest.mark.parametrize(
    ("status", "body", "says", "remedy"),
    [
        (b"400 Bad Request", TEMPLATE % NO_TEMPLATE, "chat template", "--chat-template"),
        (
            b"400 Bad Request",
            TEMPLATE % b"This model's maximum context length is 2048 tokens.",
            "2048 tokens",
            "--context",
        ),
        (b"500 Internal Server Error", b'{"error":"CUDA error: out of memory"}', "out of memory", "smaller"),
        (b"502 Bad Gateway", b"<html><title>502 Bad\nGateway</title>", "HTTP 502: 502 Bad Gateway", "log"),
        (b"200 OK", b"[]", "does not answer", "log"),
    ],
)
def test_what_a_server_says_is_passed_on_with_a_remedy(
    tiltyard: Tiltyard, status: bytes, body: bytes, says: str, remedy: str
) -> None:
    with scripted(status, body) as server:
        refused(tiltyard(*quick(server.url)), 3, says, remedy)


def test_a_context_larger_than_the_models(tiltyard: Tiltyard) -> None:
    with simulated(dialects=("ollama", "llamacpp")) as simulator:
        ollama, llamacpp = simulator.url("ollama"), simulator.url("llamacpp")
        refused(tiltyard(*quick(ollama, "--context", "99999")), 2, "at most 32768", "--context 32768 or less")
        done = tiltyard(*quick(llamacpp, "--context", "20000"))
        refused(done, 2, "was loaded with a context of 8192", "start the server with more")
        done = tiltyard(*fixed(ollama, "--context", "99999"))
        refused(done, 2, "at most 32768", "--context 32768 or less")
    with simulated(dialects=("openai",)) as simulator:
        done = tiltyard(*fixed(simulator.url("openai"), "--context", "4096"))
        refused(done, 2, "cannot be told a context", "leave --context out")


def test_a_prompt_and_an_answer_larger_than_the_loaded_context(tiltyard: Tiltyard) -> None:
    more = ("--prompt-tokens", "8000", "--output-tokens", "500")
    with simulated(dialects=("llamacpp", "ollama")) as simulator:
        done = tiltyard("run", "speed", "--server", simulator.url("llamacpp"), "-m", "m", *more)
        refused(done, 2, "8000 tokens and an answer of 500", "which is 8192 tokens", "--prompt-tokens")
        done = tiltyard(*fixed(simulator.url("ollama"), "--context", "600", *more))
        refused(done, 2, "which is 600 tokens", "--context 8564")


def test_a_server_that_hangs_before_the_first_byte(tiltyard: Tiltyard) -> None:
    with simulated("stall_first") as simulator:
        url = simulator.url("openai")
        done = tiltyard(*quick(url, "--first-byte-timeout", "0.3"))
        refused(done, 3, "no answer within 0.3 s", "--first-byte-timeout")
        done = tiltyard(*fixed(url, "--first-byte-timeout", "0.3", "--concurrency", "3", "--json"))
        refused(done, 1, "0 of 3 requests succeeded (3 timeout_first_byte)", "no answer within 0.3 s")
        summary = done.summary()
        assert summary["endings"] == {"timeout_first_byte": 3}
        assert summary["wall_s"] >= 0.3  # the streams were taken for as long


@pytest.mark.parametrize("dialect", [(), ("--dialect", "llamacpp")])
def test_a_server_that_never_ends_loading_its_model(tiltyard: Tiltyard, dialect: tuple[str, ...]) -> None:
    with simulated("loading_503", dialects=("llamacpp",)) as simulator:
        url = simulator.url("llamacpp")
        done = tiltyard(*quick(url, *dialect, "--first-byte-timeout", "0.3", "--json"))
        refused(done, 3, "still loading its model after 0.3 s", "--first-byte-timeout")
        assert done.lines()[0] == {"event": "say", "text": f"llamacpp at {url} is loading its model"}
        done = tiltyard(*quick(url, *dialect), env={"TILTYARD_FIRST_BYTE_TIMEOUT_S": "0.3"})
        refused(done, 3, "still loading its model after 0.3 s")
        assert done.err.startswith(f"  llamacpp at {url} is loading its model\n")


def test_a_loading_server_is_waited_for_whatever_dialect_it_is_asked_in(tiltyard: Tiltyard) -> None:
    with simulated("loading_503@1", dialects=("llamacpp",)) as simulator:
        url = simulator.url("llamacpp")
        done = tiltyard(*quick(url, "--dialect", "openai", "--json"))
        assert done.code == 0, done.err
        assert any("still loading" in line.get("text", "") for line in done.lines())
    with simulated("loading_503", dialects=("llamacpp",)) as simulator:
        url = simulator.url("llamacpp")
        done = tiltyard(*quick(url, "--dialect", "openai", "--first-byte-timeout", "0.3"))
        refused(done, 3, "Loading model", "--first-byte-timeout")


def test_a_search_names_the_server_that_is_loading_and_does_not_wait(tiltyard: Tiltyard) -> None:
    with simulated("loading_503", dialects=("llamacpp",)) as simulator:
        url = simulator.url("llamacpp")
        done = tiltyard("servers", "--server", url)
        refused(done, 3, "no usable model server", "ask again when that is done")
        assert f"llamacpp at {url} is loading its model" in done.out
        (found,) = json.loads(tiltyard("servers", "--server", url, "--json").out)
        assert "is loading its model" in found["problem"]


@pytest.mark.parametrize(
    "fault", ["error_500@1", "drop@1", "disconnect=1@1", "empty_200@1", "html_error=503@1", "error_500@2"]
)
def test_one_failure_before_a_run_does_not_end_a_run(tiltyard: Tiltyard, fault: str) -> None:
    with simulated(fault) as simulator:
        done = tiltyard(*quick(simulator.url("openai"), "--json"))
    assert done.code == 0, done.err
    summary = done.summary()
    assert summary["requests"]["failed"] == 0
    assert abs(summary["tokens"]["prompt"] / summary["requests"]["total"] - 512) <= 10


@pytest.mark.slow
def test_a_long_wait_for_a_model_is_told_of_again_and_again(tiltyard: Tiltyard) -> None:
    with simulated("loading_503", dialects=("llamacpp",)) as simulator:
        done = tiltyard(*quick(simulator.url("llamacpp"), "--first-byte-timeout", "5.5", "--json"))
    said = [line["text"] for line in done.lines()]
    assert len(said) == 2
    assert said[1].startswith(f"{said[0]}, ")


def test_a_server_that_hangs_between_tokens(tiltyard: Tiltyard) -> None:
    with simulated("stall") as simulator:
        url = simulator.url("openai")
        refused(
            tiltyard(*quick(url, "--gap-timeout", "0.3")), 3, "silence for more than 0.3 s", "--gap-timeout"
        )
        done = tiltyard(*fixed(url, "--gap-timeout", "0.3", "--concurrency", "3", "--json"))
        refused(done, 1, "(3 timeout_gap)", "silence for more than 0.3 s")


def endlessly(piece: bytes, pause_s: float) -> Script:
    """So many of these that they last longer than anybody would wait for."""
    parts: list[bytes | float] = [chunk(piece), pause_s]
    return [head(more=b"Transfer-Encoding: chunked\r\n"), *(parts * 100_000)]


class Endless(ScriptedServer):
    """A model `m` that never ends its answers, but for the first `free`."""

    def __init__(self, script: Script, free: int = 0) -> None:
        super().__init__(self.told)
        self.script, self.free = script, free

    def told(self, number: int) -> Script:
        if not self.requests[number].startswith(b"POST"):
            return [sized(LISTED)]
        self.free -= 1
        return self.script if self.free < 0 else [chunked(SAID)]


WORD = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
PATIENT_FOR_S = ("--first-byte-timeout", "1", "--gap-timeout", "0.2")


def test_a_server_whose_answers_have_no_end(tiltyard: Tiltyard) -> None:
    with Endless(endlessly(WORD * 2_000, 0.001)) as server:
        done = tiltyard(*quick(server.url, "--dialect", "openai"))
        refused(done, 3, "the answer did not end at its limit of 4 tokens", "max_tokens")
        more = ("--dialect", "openai", "--requests", "1", "--json")
        done = tiltyard(*fixed(server.url, *more))
        refused(done, 1, "(1 timeout_gap)", "the answer did not end at its limit of 4 tokens")


def test_a_server_that_sends_pings_and_nothing_else(tiltyard: Tiltyard) -> None:
    with Endless(endlessly(b": ping\n\n", 0.05)) as server:
        done = tiltyard(*quick(server.url, "--dialect", "openai", *PATIENT_FOR_S))
        refused(done, 3, "the whole answer took longer than 3 s", "--first-byte-timeout")


def test_a_server_whose_answers_have_no_end_after_the_first_ones(tiltyard: Tiltyard) -> None:
    """A load by time ends all the same, and what failed in it is counted."""
    with Endless(endlessly(WORD, 0.05), free=12) as server:
        more = ("--dialect", "openai", "--output-tokens", "4", "--json", *PATIENT_FOR_S)
        done = tiltyard(*quick(server.url, *more))
        refused(done, 1, "the whole answer took longer than 3 s")
        summary = done.summary()
        assert summary["requests"]["failed"] == summary["endings"]["timeout_gap"] > 0


@pytest.mark.slow
def test_a_server_killed_in_a_long_load_ends_it(
    tiltyard: Tiltyard,
    simulate: Callable[..., SimulatorProcess],
    spawn: Callable[..., subprocess.Popen[bytes]],
) -> None:
    server = simulate("--model", "m:ttft_ms=5,token_ms=5,slots=8")
    load = ("--profile", "soak", "--seconds", "600", "--concurrency", "2", "--output-tokens", "8")
    run = spawn("run", "speed", "--server", server.url, "--model", "m", *load, "--json")
    wait_for(lambda: begun(server.url) > 20)
    server.kill()
    out, err = run.communicate(timeout=120)
    assert run.returncode == 1, err
    assert err.count(b"error: ") == 1
    assert b"came since the server had gone" in err
    summary = json.loads(out.splitlines()[-1])
    assert (summary["state"], summary["gave_up"]) == ("failed", True)
    assert summary["requests"]["ok"] > 0
    assert 8 <= summary["owed"] < 300
    assert any("stopped after failures in a row" in note for note in summary["notes"])


def test_the_timeouts_may_come_from_the_environment(tiltyard: Tiltyard) -> None:
    with simulated("stall_first") as simulator:
        env = {"TILTYARD_FIRST_BYTE_TIMEOUT_S": "0.3"}
        refused(tiltyard(*quick(simulator.url("openai")), env=env), 3, "no answer within 0.3 s")


def test_every_request_fails(tiltyard: Tiltyard) -> None:
    with simulated("error_500") as simulator:
        done = tiltyard(*fixed(simulator.url("openai"), "--json"))
        refused(done, 1, "only 0 of 3 requests succeeded (3 http_error)", "HTTP 500", "tiltyard show")
        summary = done.summary()
        assert summary["requests"] == {"ok": 0, "failed": 3, "truncated": 0, "total": 3}
        assert list(summary["errors"].values()) == [3]
        assert summary["ttft_ms"] is None
        shown = tiltyard("show", summary["run_id"], "1")
        assert shown.code == 0
        assert "HTTP 500" in shown.out


def test_half_of_the_requests_fail_and_the_others_are_kept(tiltyard: Tiltyard) -> None:
    with simulated("busy_503@/2") as simulator:
        command = fixed(simulator.url("openai"), "--requests", "8", "--json")
        done = tiltyard(*command)
        refused(done, 1, "only 4 of 8 requests succeeded (4 http_error)")
        first = done.summary()
        again = tiltyard(*command)  # the load came to its end: what failed under it belongs to it
        assert again.code == 1
        assert "--fresh measures again" in again.err
        assert again.summary()["run_id"] == first["run_id"]
        assert again.summary()["requests"] == first["requests"]
        assert tiltyard(*command, "--min-success", "0.5").code == 0


def begun(url: str) -> int:
    """Answers that the simulator has written a token of."""
    entries = call(url, "/tiltyard/truth").json()
    return sum(any(tokens for *_, tokens in entry["writes"]) for entry in entries)


def test_a_server_killed_in_the_middle_of_its_answers(
    tiltyard: Tiltyard,
    simulate: Callable[..., SimulatorProcess],
    spawn: Callable[..., subprocess.Popen[bytes]],
) -> None:
    stuck = ("--fault", "stall@3", "--fault", "stall@4")  # the third and the fourth are never finished
    server = simulate("--model", "m:ttft_ms=5,token_ms=5,slots=8", *stuck)
    more = ("--concurrency", "2", "--requests", "8", "--output-tokens", "20", "--json")
    run = spawn(*fixed(server.url, "--dialect", "openai", *more))
    wait_for(lambda: begun(server.url) == 4)
    server.kill()
    out, err = run.communicate(timeout=120)
    assert run.returncode == 1, err
    assert b"Traceback" not in err
    assert err.count(b"error: ") == 1
    summary = json.loads(out.splitlines()[-1])
    assert summary["state"] == "finished"
    assert summary["endings"] == {"ok": 2, "error_midstream": 2, "connect_error": 4}
    assert summary["requests"]["total"] == 8
    listed = json.loads(tiltyard("show", summary["run_id"], "--json").out)
    assert len(listed["attempts"]) == 8


@pytest.mark.slow
def test_one_bad_model_does_not_keep_the_others_from_being_measured(tiltyard: Tiltyard) -> None:
    models = (
        SimModel(name="a", ttft_ms=2, token_ms=1, loaded=True),
        SimModel(name="b", ttft_ms=2, token_ms=1, loaded=True),
    )
    with simulated("no_model_400@1", models=models) as simulator:
        command = ["run", "speed", "--server", simulator.url("openai"), "--all", "--budget", "1", "--json"]
        done = tiltyard(*command)
        refused(done, 3, "a on openai", "No models loaded", "load the model on the server first")
        summaries = [line for line in done.lines() if line["event"] == "summary"]
        assert [(each["model"], each["state"]) for each in summaries] == [("a", "failed"), ("b", "finished")]
        assert "No models loaded" in summaries[0]["error"]
        again = tiltyard(*command)
        assert again.code == 0, again.err
        assert [each.get("cached") for each in again.lines() if each["event"] == "summary"] == [None, True]


def test_the_sizes_of_the_simulated_model_are_what_these_tests_say() -> None:
    assert (QUICK_MODEL.context_max, QUICK_MODEL.context) == (32_768, 8_192)


def test_a_server_that_moved_is_told_of_with_where_to(tiltyard: Tiltyard) -> None:
    moved = b"HTTP/1.1 301 Moved\r\nLocation: https://gpu-box.invalid/v1/models\r\nContent-Length: 0\r\n\r\n"
    with ScriptedServer(lambda _: [moved]) as server:
        refused(tiltyard(*quick(server.url)), 3, "sends its callers elsewhere: https://gpu-box.invalid")
        done = tiltyard(*fixed(server.url, "--dialect", "openai", "--requests", "1"))
    assert done.code != 0
    assert "https://gpu-box.invalid/v1/models" in done.err
