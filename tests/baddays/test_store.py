"""The store full, locked, too new, damaged or shared, under real commands: what was kept stays."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.baddays.conftest import QUICK_MODEL, Gated, Tiltyard, fixed, refused, simulated
from tests.patience import wait_for
from tiltyard.servers.simulator import SimModel
from tiltyard.store.store import FILE

Spawn = Callable[..., subprocess.Popen[bytes]]


def stored(path: Path) -> tuple[int, str]:
    """Attempts in a store, and what SQLite thinks of it."""
    with closing(sqlite3.connect(path)) as db, db:
        (count,) = db.execute("SELECT count(*) FROM attempts").fetchone()
        (whole,) = db.execute("PRAGMA integrity_check").fetchone()
    db.close()
    return count, whole


def no_room_left(tiltyard: Tiltyard, disk: Path, command: Sequence[str]) -> None:
    done = tiltyard(*command, env={"TILTYARD_DATA_DIR": str(disk)})
    refused(done, 4, "no room left", "free some space")
    assert "Exception" not in done.err


def carries_on_with_more_room(tiltyard: Tiltyard, disk: Path, command: Sequence[str], requests: int) -> None:
    subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
    again = tiltyard(*command, "--json", env={"TILTYARD_DATA_DIR": str(disk)})
    assert again.code == 0, again.err
    assert again.summary()["requests"]["ok"] == requests
    assert stored(disk / FILE) == (requests, "ok")


@pytest.mark.slow
def test_a_full_disk_ends_the_run_soon_keeps_what_was_acknowledged_and_it_carries_on(
    tiltyard: Tiltyard, healthy: str, small_disk: Path
) -> None:
    command = fixed(healthy, "--requests", "1500", "--concurrency", "16", "--output-tokens", "20")
    no_room_left(tiltyard, small_disk, command)
    kept, whole = stored(small_disk / FILE)
    assert whole == "ok"
    assert 0 < kept < 1500
    carries_on_with_more_room(tiltyard, small_disk, command, 1500)


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", [40, 100, 180, 240, 300, 340, 420], indirect=True)
def test_a_disk_that_is_full_at_any_moment_is_said_in_one_line(
    tiltyard: Tiltyard, healthy: str, small_disk: Path
) -> None:
    command = fixed(healthy, "--requests", "600", "--concurrency", "16", "--prompt-tokens", "900")
    no_room_left(tiltyard, small_disk, command)
    carries_on_with_more_room(tiltyard, small_disk, command, 600)


def small_files() -> None:
    """In a process that begins: a limit that fails as late as a full disk does."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
@pytest.mark.parametrize("fresh", [[], ["--fresh"]])
def test_what_carries_on_after_a_full_disk_is_named_rightly(
    tiltyard: Tiltyard, spawn: Spawn, healthy: str, home: Path, fresh: list[str]
) -> None:
    command = fixed(healthy, "--requests", "1500", "--concurrency", "16", "--output-tokens", "20", "--json")
    run = spawn(*command, *fresh, preexec_fn=small_files)
    _, err = run.communicate(timeout=120)
    assert run.returncode == 4, err
    without = " without --fresh" if fresh else ""
    assert f"your quota; the same command{without} carries on" in err.decode()
    assert 0 < stored(home / FILE)[0] < 1500
    again = tiltyard(*command)
    assert (again.code, again.summary()["requests"]["ok"]) == (0, 1500), again.err
    assert stored(home / FILE) == (1500, "ok")


HOLD = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_store_that_another_process_locks(tiltyard: Tiltyard, healthy: str, home: Path) -> None:
    assert tiltyard(*fixed(healthy)).code == 0
    holding = [sys.executable, "-c", HOLD, str(home / FILE)]
    with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        refused(tiltyard(*fixed(healthy, "--fresh")), 4, "being written by another process", "wait for it")
        assert tiltyard("runs").code == 0  # reading needs no lock
        other.kill()
    assert tiltyard(*fixed(healthy, "--fresh")).code == 0
    assert stored(home / FILE) == (6, "ok")


def test_a_store_of_a_newer_version_is_left_alone(tiltyard: Tiltyard, healthy: str, home: Path) -> None:
    with closing(sqlite3.connect(home / FILE)) as db, db:
        db.execute("PRAGMA user_version = 99")
        db.execute("CREATE TABLE future (x)")
    db.close()
    before = (home / FILE).read_bytes()
    for command in (fixed(healthy), ["runs"], ["board"], ["report"], ["export"], ["runs", "--recover"]):
        refused(tiltyard(*command), 4, "is version 99", "update Tiltyard")
    assert (home / FILE).read_bytes() == before


def test_a_damaged_store_is_kept_and_recovered(tiltyard: Tiltyard, healthy: str, home: Path) -> None:
    path = home / FILE
    assert tiltyard(*fixed(healthy, "--requests", "60")).code == 0
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with path.open("r+b") as file:
        file.write(random.Random(3).randbytes(page))
    before = path.read_bytes()
    for command in (fixed(healthy), ["runs"], ["board"], ["report"], ["export"], ["show", "latest"]):
        refused(tiltyard(*command), 4, "is damaged", "tiltyard runs --recover")
        assert path.read_bytes() == before
    saved = tiltyard("runs", "--recover", "--json")
    assert saved.code == 0, saved.err
    assert json.loads(saved.out)["rows"]["attempts"] == 60
    assert Path(json.loads(saved.out)["damaged"]).read_bytes() == before
    assert len(json.loads(tiltyard("runs", "--json").out)["runs"]) == 1
    assert stored(path) == (60, "ok")
    refused(tiltyard("runs", "--recover"), 2, "is whole", "tiltyard runs")


def damage(path: Path) -> None:
    """Noise over twelve pages in the middle of a store."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // page * page)
        file.write(random.Random(3).randbytes(page * 12))


def damage_timelines(path: Path) -> None:
    """Noise over pages that hold nothing but arrivals."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = db.execute("PRAGMA page_size").fetchone()
        packed = db.execute("SELECT arrivals FROM timelines WHERE exchange_id % 50 = 0").fetchall()
    db.close()
    whole = path.read_bytes()
    places = {whole.index(arrivals) // page * page for (arrivals,) in packed}
    with path.open("r+b") as file:
        for place in places:
            file.seek(place)
            file.write(random.Random(3).randbytes(page))


def test_what_was_lost_with_a_damaged_file_is_asked_again_by_the_same_command(
    tiltyard: Tiltyard, healthy: str, home: Path
) -> None:
    """A run that lost answers is no finished one, whatever its summary says."""
    path, command = home / FILE, fixed(healthy, "--requests", "400", "--concurrency", "16", "--json")
    whole = tiltyard(*command).summary()
    damage(path)
    saved = tiltyard("runs", "--recover", "--json")
    kept = json.loads(saved.out)["rows"]["attempts"]
    assert 0 < kept < 400
    assert json.loads(saved.out)["runs_set_back"] == [whole["run_id"]]
    assert json.loads(tiltyard("board", "--json").out)["rows"] == []
    (listed,) = json.loads(tiltyard("runs", "--json").out)["runs"]
    assert (listed["state"], listed["attempts"]) == ("interrupted", kept)
    assert f"{400 - kept} of its 400 answers were lost" in tiltyard("show", "latest").out
    again = tiltyard(*command)
    assert again.code == 0, again.err
    found = again.summary()
    assert (found["run_id"], found["state"], found.get("cached")) == (whole["run_id"], "finished", None)
    assert found["requests"]["ok"] == 400
    assert not [note for note in found["notes"] if "lost" in note]
    assert stored(path) == (400, "ok")


def test_doctor_names_the_command_that_saves_a_damaged_store(
    tiltyard: Tiltyard, healthy: str, home: Path
) -> None:
    assert tiltyard(*fixed(healthy, "--requests", "400", "--concurrency", "16")).code == 0
    damage_timelines(home / FILE)
    assert tiltyard("runs").code == 0  # the damage is where no list looks
    (store,) = [check for check in doctor(tiltyard) if check["topic"] == "store"]
    assert store["state"] == "broken"
    assert "tiltyard runs --recover" in store["remedy"]
    assert "sqlite3 " not in store["remedy"]


def doctor(tiltyard: Tiltyard) -> list[dict[str, str]]:
    checks: list[dict[str, str]] = json.loads(tiltyard("doctor", "--json").out)["checks"]
    return checks


def test_what_is_no_store_at_all(tiltyard: Tiltyard, home: Path) -> None:
    (home / FILE).write_bytes(b"Dear diary, " * 500)
    refused(tiltyard("board"), 4, "damaged", "runs --recover")
    refused(tiltyard("runs", "--recover"), 4, "left as it is", "TILTYARD_DATA_DIR")
    assert (home / FILE).read_bytes() == b"Dear diary, " * 500


def test_a_folder_that_cannot_be_one(tiltyard: Tiltyard, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    env = {"TILTYARD_DATA_DIR": str(tmp_path / "file")}
    refused(tiltyard("board", env=env), 4, "cannot make the store's folder", "TILTYARD_DATA_DIR")


def test_two_at_once_with_different_models_both_complete(
    tiltyard: Tiltyard, spawn: Spawn, home: Path
) -> None:
    models = tuple(SimModel(name=n, ttft_ms=5, token_ms=2, slots=64, loaded=True) for n in ("a", "b"))
    with simulated(models=models) as simulator:
        more = ("--requests", "200", "--concurrency", "8", "--output-tokens", "10", "--json")
        both = [spawn(*fixed(simulator.url("openai"), *more, model=name)) for name in ("a", "b")]
        for process in both:
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
            assert json.loads(out.splitlines()[-1])["requests"]["ok"] == 200
    assert stored(home / FILE) == (400, "ok")
    assert len(json.loads(tiltyard("board", "--json").out)["rows"]) == 2


@pytest.mark.slow
def test_two_at_once_with_the_same_run_the_second_is_told(tiltyard: Tiltyard, spawn: Spawn) -> None:
    with Gated(free=5) as server:
        command = fixed(server.url, "--dialect", "openai", "--requests", "12", "--json")
        first = spawn(*command)
        wait_for(lambda: server.questions > server.free)  # it has asked, and waits for the answer
        refused(tiltyard(*command), 4, "is under way", str(first.pid), "--fresh")
        server.gate.set()
        out, err = first.communicate(timeout=120)
        assert first.returncode == 0, err
        assert json.loads(out.splitlines()[-1])["requests"]["ok"] == 12
        assert tiltyard(*command).summary()["cached"] is True


def test_the_quick_model_is_quick() -> None:
    assert QUICK_MODEL.ttft_ms == 5.0
