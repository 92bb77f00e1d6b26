"""What the machine says of itself, read from a file tree like a Pi's and from this one."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import interleaved, machine


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_only_the_device_tree_makes_a_raspberry_pi(tmp_path: Path) -> None:
    said = {"proc/cpuinfo": "model name\t: Raspberry Pi Lookalike\nModel\t: Raspberry Pi 4\n"}
    facts = machine.machine(tree(tmp_path / "a", said))
    assert facts["raspberry_pi"] is None and machine.name(facts) == "raspberry-pi-lookalike"
    assert "no Raspberry Pi" in machine.title(facts)
    model = "Raspberry Pi 4 Model B Rev 1.4\0"
    facts = machine.machine(tree(tmp_path / "b", said | {"proc/device-tree/model": model}))
    assert facts["raspberry_pi"] == model[:-1] and machine.name(facts) == "raspberry-pi-4-model-b-rev-1-4"
    other = machine.machine(tree(tmp_path / "c", {"proc/device-tree/model": "Orange Pi 5\0"}))
    assert other["raspberry_pi"] is None


def test_state_reads_clock_heat_and_throttling(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu/cpu0"
    files = {
        f"{cpu}/cpufreq/scaling_governor": "ondemand\n",
        f"{cpu}/cpufreq/scaling_cur_freq": "1500000\n",
        f"{cpu}/thermal_throttle/package_throttle_count": "3\n",
        "sys/class/thermal/thermal_zone0/temp": "41000\n",
        "sys/class/thermal/thermal_zone1/temp": "56500\n",
    }
    found = machine.state(tree(tmp_path, files))
    assert (found["governor"], found["megahertz"], found["celsius"]) == ("ondemand", 1500, 56.5)
    assert found["throttle_count"] == 3
    nothing = machine.state(tmp_path / "empty")
    assert nothing["governor"] is nothing["megahertz"] is nothing["celsius"] is nothing["throttle_count"] is None


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (0, 0, ""),
        (0x50000, 0x50000, ""),  # it happened before this measurement
        (0, 0x50000, "under-voltage, throttling"),
        (0, 0x4, "throttling"),
        (0x8, 0x80000, "soft temperature"),
    ],
)
def test_a_throttled_pi_spoils_the_result(before: int, after: int, word: str) -> None:
    states = [machine.state() | {"throttled": bits, "throttle_count": None} for bits in (before, after)]
    reasons = machine.spoiled(*states)
    assert bool(reasons) == bool(word) and word in "".join(reasons)
    told = {"before": states[0], "after": states[1], "spoiled": reasons}
    assert machine.notes(told)[0].startswith("SPOILED") == bool(word)


def test_a_throttled_pc_spoils_the_result() -> None:
    before, after = (machine.state() | {"throttled": None, "throttle_count": n} for n in (3, 4))
    assert machine.spoiled(before, after) and not machine.spoiled(before, before)


def test_turns_give_everyone_everything_and_the_start_moves_on() -> None:
    steps = list(interleaved.turns(["a", "b"], 40, 3))
    for name in "ab":
        for number in range(3):
            done = [i for n, who, some in steps if n == number and who == name for i in some]
            assert done == list(range(40))
    assert {who for _, who, some in steps if some[0] == 16} == {"a", "b"}
    starts = [next(who for n, who, some in steps if n == number) for number in range(2)]
    assert starts == ["a", "b"]


def test_figure_holds_the_rounds_medians() -> None:
    found = interleaved.figure(np.array([[1.0, 2.0, 30.0], [1.0, 4.0, 30.0], [1.0, 3.0, 30.0]]) / 1e3)
    assert (found["value"], found["low"], found["high"]) == pytest.approx((3, 2, 4))
    assert found["p95"] <= found["p99"] <= 30
