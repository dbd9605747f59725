"""The watch over real sources of this machine and over a machine made of files."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.monitors.conftest import Command, Tree
from tests.patience import best_of
from tiltyard.monitors import Device, GpuProcess, Status
from tiltyard.monitors.host import Host, Rapl
from tiltyard.monitors.machine import describe_machine
from tiltyard.monitors.nvidia_smi import NvidiaSmi
from tiltyard.monitors.providers import find_providers
from tiltyard.monitors.readings import Readings, energy_of, integrate
from tiltyard.monitors.watch import Watch
from tiltyard.records import Sample

GPU = Device(device="gpu0", kind="gpu", name="Test GPU")
S = 1_000_000_000


@pytest.mark.slow
@best_of()
def test_watches_this_machine_on_a_steady_rhythm() -> None:
    watch = Watch(0.05, find=lambda: [((host := Host()), host.probe())])
    watch.start()
    watch.start()  # a second start changes nothing
    time.sleep(0.4)
    readings = watch.stop()
    assert set(readings.summary()["devices"]) == {"cpu", "ram"}
    assert 4 <= len(readings.of("ram")) <= 12
    summary = readings.summary(tokens=100)
    assert summary["telemetry"] == "ok"
    assert summary["devices"]["ram"]["memory_bytes"]["max"] > 0
    assert summary["devices"]["cpu"]["energy_j"] is None
    assert summary["tokens_per_joule"] is None
    assert 0 < summary["overhead_cpu_s"] < 0.3
    assert not [t for t in threading.enumerate() if t.name == "tiltyard-watch"]


class Failing(Host):
    """Reads nothing, as when this process may open no more files."""

    def sample(self) -> list[Sample]:
        raise OSError(24, "Too many open files")


def test_a_reading_that_fails_is_said_and_ends_nothing() -> None:
    watch = Watch(0.01, find=lambda: [((host := Failing()), host.probe())])
    watch.start()
    time.sleep(0.1)
    summary = watch.stop().summary()
    (remark,) = summary["remarks"]
    assert "readings of this machine failed: Too many open files" in remark
    assert int(remark.split()[0]) >= 2


def test_refuses_a_server_elsewhere() -> None:
    watch = Watch(server_local=False, find=lambda: pytest.fail("looked at the wrong machine"))
    assert asyncio.run(watch.baseline(1)) == {}
    watch.start()
    assert watch.stop().summary() == {
        "telemetry": "refused: by its address the server may be on another machine"
    }


def test_stop_without_start_is_safe() -> None:
    assert Watch().stop().summary() == {"telemetry": "not watched"}


@pytest.mark.slow
@best_of()
def test_energy_net_of_an_idle_baseline(tree: Tree) -> None:
    """A counter that a thread turns at 2 W while idle and 12 W after: 10 W net are found."""
    zone = "sys/class/powercap/intel-rapl:0"
    root = tree(
        {f"{zone}/name": "package-0", f"{zone}/energy_uj": "0", f"{zone}/max_energy_range_uj": "1000000000"}
    )
    counter, done, watts = root / zone / "energy_uj", threading.Event(), [2.0]

    def turn() -> None:
        joules, last = 0.0, time.perf_counter()
        while not done.wait(0.004):
            now = time.perf_counter()
            joules, last = joules + watts[0] * (now - last), now
            fresh = counter.with_suffix(".new")
            fresh.write_text(str(int(joules * 1e6)))
            fresh.replace(counter)

    turner = threading.Thread(target=turn)
    turner.start()
    try:
        watch = Watch(0.05, find=lambda: [((rapl := Rapl(root)), rapl.probe())])
        idle = asyncio.run(watch.baseline(0.5))
        watts[0] = 12.0
        watch.start()
        time.sleep(0.6)
        readings = watch.stop()
    finally:
        done.set()
        turner.join()
    assert idle["package0"] == pytest.approx(2.0, rel=0.25)
    summary = readings.summary(tokens=60)
    assert summary["energy_of"] == ["package0"]
    assert summary["energy_j"] == pytest.approx(12 * readings.duration_s, rel=0.25)
    assert summary["energy_net_j"] == pytest.approx(10 * readings.duration_s, rel=0.25)
    assert summary["tokens_per_joule"] == pytest.approx(60 / summary["energy_net_j"], rel=0.01)
    assert summary["devices"]["package0"]["power_w"]["mean"] == pytest.approx(12, rel=0.25)
    assert any("idle baseline" in remark for remark in summary["remarks"])


def test_net_energy_leaves_out_idle_power_over_the_time_that_was_read() -> None:
    """A window of 5 s, of which a slow source saw 2: at the idle 100 W all along, nothing is left."""
    samples = [Sample(t_ns=t * S, device="gpu0", power_w=100.0) for t in (2, 3, 4)]
    readings = Readings(samples=samples, devices=[GPU], ended_ns=5 * S, idle_w={"gpu0": 100.0})
    summary = readings.summary(tokens=100)
    assert (summary["energy_j"], summary["energy_net_j"]) == (200.0, 0.0)
    counted = [Sample(t_ns=t * S, device="gpu0", energy_j=60.0 * t) for t in (2, 4)]
    part = replace(readings, samples=counted).summary()["devices"]["gpu0"]
    assert (part["energy_j"], part["power_w"]["mean"], part["energy_net_j"]) == (120.0, 60.0, -80.0)


@pytest.mark.parametrize("known", [True, False])
def test_what_another_device_holds_is_shown_and_not_added_again(known: bool) -> None:
    """25 W of a GPU within the 30 W of its chip; alone where the chip tells nothing."""
    watts = {"gpu0": 25.0, "package0": 30.0 if known else None}
    samples = [Sample(t_ns=t * S, device=d, power_w=w) for t in (0, 10) for d, w in watts.items()]
    devices = [replace(GPU, within="package0"), Device(device="package0", kind="package", name="chip")]
    idle = {"gpu0": 5.0, "package0": 10.0}
    summary = Readings(samples=samples, devices=devices, ended_ns=10 * S, idle_w=idle).summary(tokens=600)
    assert summary["devices"]["gpu0"]["energy_j"] == 250.0
    assert summary["devices"]["gpu0"]["within"] == "package0"
    assert summary["energy_of"] == (["package0"] if known else ["gpu0"])
    assert (summary["energy_j"], summary["energy_net_j"]) == ((300.0, 200.0) if known else (250.0, 200.0))
    assert summary["tokens_per_joule"] == 3.0
    unheard = Readings(samples=samples, devices=devices, ended_ns=10 * S, idle_w={"package0": 10.0}).summary()
    assert unheard["energy_net_j"] == (200.0 if known else None)  # of what counts, all idle power is known


def test_what_follows_lies_within_the_readings(command: Command) -> None:
    line = "0, GPU-a, NVIDIA L4, 50, 1000, 24000, 60.0, 50, 2000, P0"
    smi = NvidiaSmi(command("nvidia-smi", f"import time; time.sleep(0.2); print({line!r})"))
    watch = Watch(60.0, find=lambda: [(smi, smi.probe())])
    asyncio.run(watch.begin())
    then = time.perf_counter_ns()
    readings = watch.stop()
    assert readings.samples[0].t_ns <= then <= readings.samples[-1].t_ns


@pytest.mark.slow
@best_of()
def test_a_slow_source_is_not_asked_more_often_than_it_bears(command: Command) -> None:
    line = "0, GPU-a, NVIDIA L4, 50, 1000, 24000, 60.0, 50, 2000, P0"
    smi = NvidiaSmi(command("nvidia-smi", f"print({line!r})"))
    watch = Watch(0.05, find=lambda: [(smi, smi.probe())])
    watch.start()
    time.sleep(0.6)
    assert len(watch.stop().of("gpu0")) == 2  # the first and the last


def test_a_quiet_gpu_is_explained_not_alarmed() -> None:
    samples = [Sample(t_ns=i * S, device="gpu0", utilisation=u) for i, u in enumerate((40.0, 60.0))]
    remarks = Readings(samples=samples, devices=[GPU], ended_ns=S).summary()["remarks"]
    assert len(remarks) == 1
    assert "often normal" in remarks[0]
    busy = [Sample(t_ns=0, device="gpu0", utilisation=95.0)]
    assert Readings(samples=busy, devices=[GPU]).summary()["remarks"] == []


def test_foreign_processes_are_named_only_when_ours_are_known() -> None:
    seen = {"gpu0": Status(throttle=(), processes=(GpuProcess(pid=7, name="game"), GpuProcess(pid=8)))}
    known = Readings(devices=[GPU], after=seen, own_pids=frozenset({8})).summary()
    assert known["foreign_gpu_processes"] == [{"pid": 7, "name": "game", "memory_bytes": None}]
    assert known["devices"]["gpu0"]["throttle"] == {"start": None, "end": []}
    assert any("game" in remark for remark in known["remarks"])
    assert Readings(devices=[GPU], after=seen).summary()["foreign_gpu_processes"] is None


def test_children_of_the_server_are_ours() -> None:
    watch = Watch(0.05, pids=[os.getpid()], find=list)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        watch.start()
        assert child.pid in (watch.stop().own_pids or ())
    finally:
        child.communicate(b"\n")


def test_energy_prefers_the_counter_and_integrates_power_else() -> None:
    powered = [Sample(t_ns=i * S, device="g", power_w=w) for i, w in enumerate((10.0, 30.0, 30.0))]
    assert energy_of(powered).joules == 50.0
    assert energy_of(powered).source == "power"
    counted = [Sample(t_ns=i * S, device="g", power_w=10.0, energy_j=e) for i, e in enumerate((5.0, 25.0))]
    assert (energy_of(counted).joules, energy_of(counted).source) == (20.0, "counter")
    stuck = [Sample(t_ns=i * S, device="g", power_w=10.0, energy_j=5.0) for i in range(3)]
    assert (energy_of(stuck).joules, energy_of(stuck).stuck) == (20.0, True)
    blind = [Sample(t_ns=i * S, device="g", energy_j=5.0) for i in range(2)]
    assert (energy_of(blind).joules, energy_of(blind).stuck) == (None, True)  # not zero: unknown
    assert energy_of([]).joules is None
    assert integrate([(0, 5.0)]) is None


def test_a_machine_of_files_is_described_without_names(tree: Tree) -> None:
    root = tree(
        {
            "etc/os-release": 'NAME="Test"\nPRETTY_NAME="Test Linux 9"',
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: Test CPU 3000\nflags\t\t: fpu hypervisor",
            "sys/class/dmi/id/product_name": "KVM Virtual Machine",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
            "sys/class/drm/card0/device/vendor": "0x1002",
            "sys/class/drm/card0/device/product_name": "Radeon Test",
            "sys/class/drm/card0/device/mem_info_vram_total": "16000000000",
        }
    )
    machine = describe_machine(root)
    if sys.platform == "linux":
        assert (machine["os"], machine["cpu"], machine["virtualised"]) == (
            "Test Linux 9",
            "Test CPU 3000",
            "KVM",
        )
        assert machine["governor"] == "powersave"
        assert machine["gpus"] == [
            {
                "name": "Radeon Test",
                "vendor": "amd",
                "driver": None,
                "memory_bytes": 16_000_000_000,
                "unified_memory": False,
            }
        ]
    assert machine["ram_bytes"] > 0


def test_this_machine_is_described_without_host_or_user() -> None:
    text = str(describe_machine()).lower()
    node = os.uname().nodename.lower() if hasattr(os, "uname") else ""
    assert not node or node not in text
    assert str(Path.home()) not in text


def test_the_host_is_always_found() -> None:
    found = find_providers(Path("/nowhere"))
    assert [d.device for _, devices in found for d in devices][-2:] == ["cpu", "ram"]
    for provider, _ in found:
        provider.close()
