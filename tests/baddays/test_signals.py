"""What ends a process, at every moment of it: code 130, one line, and nothing is left behind.

A command is hit where the interpreter says what it is about to do, so that no clock takes part.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.baddays.conftest import Gated, Tiltyard, fixed
from tests.patience import wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
Spawn = Callable[..., subprocess.Popen[bytes]]
ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"]

HIT = """
import os, signal, sys

name, awaited, end, left, where = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
del sys.argv[1:6]

def hook(event, args):
    global left
    if event == awaited and isinstance(args[0], str) and args[0].endswith(end):
        left -= 1
        if left == 0 and where == "destructor":
            Short()
        elif left == 0 and where == "import":
            try:
                os.kill(os.getpid(), signal.Signals[name])
            except KeyboardInterrupt:
                raise TypeError("expected a message argument") from None
        elif left == 0:
            os.kill(os.getpid(), signal.Signals[name])

class Short:
    def __del__(self):
        os.kill(os.getpid(), signal.Signals[name])

sys.addaudithook(hook)
from tiltyard.__main__ import main
main()
"""


@pytest.fixture
def hit(clean_env: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line `args`, with a signal before the `turn`-th `event` whose subject ends with `end`."""

    def run(
        sign: str, event: str, end: str, *args: str, turn: int = 1, ignored: str = "", where: str = ""
    ) -> subprocess.CompletedProcess[str]:
        trap = f"trap '' {ignored}; " if ignored else ""
        shell = ["sh", "-c", trap + 'exec "$@"', "sh"]
        command = [*shell, sys.executable, "-c", HIT, sign, event, end, str(turn), where, *args]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120, env=clean_env, cwd=tmp_path
        )

    return run


Hit = Callable[..., subprocess.CompletedProcess[str]]


def interrupted(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 130, (done.returncode, done.stderr)
    assert done.stderr.split() == ["error:", "interrupted"]


@pytest.mark.parametrize("sign", ENDINGS)
@pytest.mark.parametrize("module", ["tiltyard.cli", "click"])
def test_before_the_command_line_is_imported_it_ends_without_a_word(hit: Hit, sign: str, module: str) -> None:
    done = hit(sign, "import", module, "board")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_nothing_is_imported_before_it_can_be_ended() -> None:
    """But for what is built in: an import takes long enough to be hit."""
    code = "before = set(sys.modules); import tiltyard.__main__; print(*set(sys.modules) - before)"
    command = [sys.executable, "-c", f"import sys; {code}"]
    new = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert new - set(sys.builtin_module_names) == {"tiltyard", "tiltyard.__main__"}


@pytest.mark.parametrize("sign", ENDINGS)
@pytest.mark.parametrize(
    ("command", "module"),
    [
        (["board"], "tiltyard.store.board"),
        (["doctor"], "tiltyard.servers.embedded"),
        (["servers"], "tiltyard.servers.discover"),
        (["calibrate"], "tiltyard.load.calibrate"),
        (["verify"], "tiltyard.suites"),
        (["make-model", "m.gguf"], "tiltyard.servers.tiny.writing"),
    ],
)
def test_whatever_ends_a_command_is_ctrl_c(hit: Hit, sign: str, command: list[str], module: str) -> None:
    interrupted(hit(sign, "import", module, *command))


@pytest.mark.parametrize(("sign", "ignored"), [*((sign, "") for sign in ENDINGS), ("SIGTERM", "INT")])
def test_what_comes_where_nothing_can_be_raised_is_not_lost(hit: Hit, sign: str, ignored: str) -> None:
    """As in the callbacks by which Python's own imports tidy up."""
    module = "tiltyard.load.calibrate"
    interrupted(hit(sign, "import", module, "calibrate", ignored=ignored, where="destructor"))


@pytest.mark.parametrize("sign", ENDINGS)
def test_what_an_import_turns_into_another_error_is_still_an_interruption(hit: Hit, sign: str) -> None:
    """As Python's own `ssl` and `ipaddress` do."""
    interrupted(hit(sign, "import", "tiltyard.store.board", "board", where="import"))


@pytest.mark.parametrize("sign", ["SIGTERM", "SIGHUP"])
def test_where_ctrl_c_is_ignored_the_others_are_not(hit: Hit, sign: str) -> None:
    """As in the background of a script."""
    interrupted(hit(sign, "import", "tiltyard.store.board", "board", ignored="INT"))


@pytest.mark.parametrize("sign", ["SIGINT", "SIGHUP"])
def test_what_is_ignored_stays_so(hit: Hit, sign: str) -> None:
    """As by `nohup`."""
    done = hit(sign, "import", "tiltyard.store.board", "board", ignored=sign.removeprefix("SIG"))
    assert done.returncode == 0, done.stderr
    assert "the board is empty" in done.stdout


@pytest.mark.parametrize("sign", ENDINGS)
@pytest.mark.parametrize("module", ["uvloop", "tiltyard.cli.choosing", "tiltyard.servers.connect"])
def test_while_a_run_starts(hit: Hit, healthy: str, sign: str, module: str) -> None:
    done = hit(sign, "import", module, *fixed(healthy))
    assert done.returncode == 130, done.stderr
    assert [line[:8] for line in done.stderr.splitlines()] == ["error: i", "   try: "]


@pytest.mark.parametrize("sign", ["SIGTERM", "SIGHUP"])
def test_a_run_in_the_background_of_a_script_keeps_what_was_answered(
    tiltyard: Tiltyard, clean_env: dict[str, str], tmp_path: Path, sign: str
) -> None:
    with Gated(free=2) as server:
        command = [sys.executable, "-m", "tiltyard", *fixed(server.url, "--concurrency", "1", "--json")]
        shell = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen([*shell, *command], env=clean_env, cwd=tmp_path, **pipes) as run:
            wait_for(lambda: server.questions > 2)
            run.send_signal(signal.SIGINT)
            run.send_signal(signal.Signals[sign])
            _, err = run.communicate(timeout=120)
        server.gate.set()
    assert run.returncode == 130, err
    assert b"the same command carries on" in err
    assert b"Traceback" not in err
    assert json.loads(tiltyard("runs", "--json").out)["runs"][0]["state"] == "interrupted"


@pytest.fixture
def measured(tiltyard: Tiltyard, healthy: str) -> None:
    """A store with a run."""
    assert tiltyard(*fixed(healthy)).code == 0


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("sign", ENDINGS)
@pytest.mark.parametrize(
    "command",
    [
        ["export", "--format", "jsonl", "-o", "x"],
        ["report", "-o", "x"],
        ["results", "consolidate", "-o", "x"],
    ],
)
def test_a_file_is_whole_or_not_there(hit: Hit, tmp_path: Path, sign: str, command: list[str]) -> None:
    interrupted(hit(sign, "os.rename", "x.partial", *command))
    assert not list(tmp_path.glob("x*"))


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("sign", ENDINGS)
@pytest.mark.parametrize("turn", [1, 2, 3])
def test_the_files_of_a_folder_are_all_there_or_none(hit: Hit, tmp_path: Path, sign: str, turn: int) -> None:
    command = ["export", "--format", "llmperf", "-o"]
    interrupted(hit(sign, "open", ".partial", *command, "new/folder", turn=turn))
    assert not (tmp_path / "new").exists()
    old = tmp_path / "old"
    old.mkdir()
    (old / "mine").touch()
    interrupted(hit(sign, "open", ".partial", *command, "old", turn=turn))
    assert os.listdir(old) == ["mine"]
    done = hit(sign, "open", ".partial", *command, "new/folder", turn=4)  # which there is not
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 3


@pytest.mark.parametrize("ignored", ["", "INT"])
@pytest.mark.parametrize("sign", [*ENDINGS, "SIGKILL"])
def test_a_calibration_leaves_nothing(
    clean_env: dict[str, str], tmp_path: Path, sign: str, ignored: str
) -> None:
    if sign == "SIGINT" and ignored:
        pytest.skip("it is ignored")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    shell = ["sh", "-c", f"trap '' {ignored}; " * bool(ignored) + 'exec "$@"', "sh"]
    command = [*shell, sys.executable, "-m", "tiltyard", "calibrate", "--seconds", "60"]
    env = clean_env | {"TMPDIR": str(scratch)}
    with subprocess.Popen(command, env=env, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        parent = psutil.Process(process.pid)
        wait_for(lambda: [child for child in parent.children() if child.net_connections()])
        (child,) = parent.children()
        process.send_signal(signal.Signals[sign])
        _, err = process.communicate(timeout=120)
    wait_for(lambda: not child.is_running())
    if sign == "SIGKILL":
        return
    assert process.returncode == 130, err
    assert err.split()[-2:] == [b"error:", b"interrupted"]
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("sign", ENDINGS)
@pytest.mark.parametrize("command", [["serve", "--metrics-port", "0"], ["simulate"]])
def test_what_serves_until_it_is_ended_ends_well(spawn: Spawn, sign: str, command: list[str]) -> None:
    process = spawn(*command, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    for line in process.stdout:
        if b"metrics: " in line or b"truth: " in line:
            break
    process.send_signal(signal.Signals[sign])
    out, _ = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, b"")


IN_A_CALLBACK = """
import os, signal, sys

def profile(frame, event, arg):
    if event == "call" and frame.f_code.co_name == "eof_received":
        sys.setprofile(None)
        os.kill(os.getpid(), signal.Signals[sign])

sign = sys.argv.pop(1)
sys.setprofile(profile)
from tiltyard.__main__ import main
main()
"""


@pytest.mark.parametrize("sign", ENDINGS)
def test_what_comes_in_a_callback_of_the_event_loop_is_not_lost(clean_env: dict[str, str], sign: str) -> None:
    """Which catches whatever is raised there."""
    command = [sys.executable, "-c", IN_A_CALLBACK, sign, "simulate", "--dialect", "openai", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=clean_env, **pipes) as process:
        assert process.stdout is not None
        try:
            address = urlsplit(json.loads(process.stdout.readline())["urls"]["openai"])
            socket.create_connection((address.hostname, address.port)).close()
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, b"")
