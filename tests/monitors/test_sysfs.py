"""AMD and Intel GPUs and RAPL, read from trees of real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitors.conftest import Tree
from tiltyard.monitors.host import Host, Rapl
from tiltyard.monitors.providers import placed
from tiltyard.monitors.sysfs import AmdGpus, IntelGpus

CARD = "sys/class/drm/card1/device"
AMD_CARD = {
    "sys/class/drm/card1-DP-1/status": "connected",
    f"{CARD}/vendor": "0x1002",
    f"{CARD}/device": "0x744c",
    f"{CARD}/gpu_busy_percent": "93",
    f"{CARD}/mem_info_vram_used": "8000000000",
    f"{CARD}/mem_info_vram_total": "25753026560",
    f"{CARD}/mem_info_gtt_used": "50000000",
    f"{CARD}/mem_info_gtt_total": "33000000000",
    f"{CARD}/hwmon/hwmon3/power1_average": "212000000",
    f"{CARD}/hwmon/hwmon3/temp1_input": "61000",
    f"{CARD}/hwmon/hwmon3/freq1_input": "2371000000",
}


def test_reads_an_amd_card(tree: Tree) -> None:
    gpus = AmdGpus(tree(AMD_CARD))
    (device,) = gpus.probe(first_gpu=1)
    assert (device.device, device.vendor, device.name) == ("gpu1", "amd", "AMD GPU 0x744c")
    assert device.memory_total_bytes == 25753026560
    assert not device.unified_memory
    (sample,) = gpus.sample()
    assert (sample.utilisation, sample.memory_bytes, sample.power_w) == (93.0, 8_000_000_000, 212.0)
    assert (sample.temperature_c, sample.clock_mhz, sample.energy_j) == (61.0, 2371.0, None)
    assert gpus.status() == {}


def test_an_apu_lives_in_the_systems_memory(tree: Tree) -> None:
    small = {f"{CARD}/mem_info_vram_total": "536870912", f"{CARD}/mem_info_vram_used": "100000000"}
    gpus = AmdGpus(tree({**AMD_CARD, **small, f"{CARD}/mem_info_gtt_used": "60000000000"}))
    (device,) = gpus.probe()
    assert device.unified_memory
    assert device.memory_total_bytes == 536870912 + 33000000000
    (sample,) = gpus.sample()
    assert sample.memory_bytes == 60_100_000_000


def test_a_card_smaller_than_half_the_systems_memory_is_still_a_card(tree: Tree) -> None:
    """A card may use half of the system's memory too, but an APU tells no clock of a memory of its own."""
    large = {f"{CARD}/mem_info_gtt_total": "68000000000", f"{CARD}/hwmon/hwmon3/freq2_input": "96000000"}
    (device,) = AmdGpus(tree({**AMD_CARD, **large})).probe()
    assert (device.unified_memory, device.memory_total_bytes) == (False, 25753026560)


@pytest.mark.parametrize("apu", [True, False])
def test_an_apus_power_holds_its_processors(tree: Tree, apu: bool) -> None:
    small = {f"{CARD}/mem_info_vram_total": "536870912"} if apu else {}
    zone = "sys/class/powercap/intel-rapl:0"
    root = tree({**AMD_CARD, **small, f"{zone}/name": "package-0", f"{zone}/energy_uj": "0"})
    sources = [(gpus := AmdGpus(root), gpus.probe(1)), (rapl := Rapl(root), rapl.probe())]
    assert [(d.device, d.within) for _, found in placed(sources) for d in found] == [
        ("gpu1", None),
        ("package0", "gpu1" if apu else None),
    ]


def test_an_amd_card_that_tells_little(tree: Tree) -> None:
    gpus = AmdGpus(tree({f"{CARD}/vendor": "0x1002", f"{CARD}/hwmon/hwmon0/power1_input": "garbage"}))
    (device,) = gpus.probe()
    assert (device.memory_total_bytes, device.unified_memory) == (None, False)
    (sample,) = gpus.sample()
    assert (sample.utilisation, sample.memory_bytes, sample.power_w) == (None, None, None)


def test_reads_what_intel_tells(tree: Tree) -> None:
    card = "sys/class/drm/card0"
    files = {
        f"{card}/device/vendor": "0x8086",
        f"{card}/device/device": "0x56a0",
        f"{card}/device/hwmon/hwmon1/energy1_input": "123000000",
        f"{card}/gt_act_freq_mhz": "2400",
    }
    gpus = IntelGpus(tree(files))
    (device,) = gpus.probe()
    assert device.notes
    (sample,) = gpus.sample()
    assert (sample.energy_j, sample.clock_mhz, sample.utilisation) == (123.0, 2400.0, None)
    assert AmdGpus(tree({})).probe() == []


def test_rapl_unwraps_its_counter_and_skips_sub_domains(tree: Tree) -> None:
    zone = "sys/class/powercap/intel-rapl:0"
    files = {
        f"{zone}/name": "package-0",
        f"{zone}/energy_uj": "990000000",
        f"{zone}/max_energy_range_uj": "1000000000",
        "sys/class/powercap/intel-rapl:0:0/name": "core",
        "sys/class/powercap/intel-rapl:0:0/energy_uj": "1",
        "sys/class/powercap/intel-rapl:1/name": "psys",
        "sys/class/powercap/intel-rapl:1/energy_uj": "1",
    }
    root = tree(files)
    rapl = Rapl(root)
    assert [d.device for d in rapl.probe()] == ["package0"]
    assert rapl.sample()[0].energy_j == 0.0
    (root / zone / "energy_uj").write_text("5000000")  # over the top: 10 J to the end, 5 J after it
    assert rapl.sample()[0].energy_j == 15.0
    (root / zone / "energy_uj").unlink()
    assert rapl.sample() == []


def test_rapl_without_permission_sees_nothing(tree: Tree) -> None:
    root = tree({"sys/class/powercap/intel-rapl:0/name": "package-0"})
    (root / "sys/class/powercap/intel-rapl:0/energy_uj").mkdir()  # reading it is an OSError, for root too
    assert Rapl(root).probe() == []
    assert Rapl(Path("/nowhere")).probe() == []


def test_the_host_tells_processor_and_memory() -> None:
    host = Host()
    cpu, ram = host.probe()
    assert (cpu.device, ram.device) == ("cpu", "ram")
    first = {s.device: s for s in host.sample()}
    assert first["cpu"].utilisation is None  # no window yet: not 0
    assert 0 < (first["ram"].memory_bytes or 0) < (ram.memory_total_bytes or 0)
