"""What is read about a machine (from a copy of a Pi's system files, and from this machine), and turn-taking."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import interleaved, machine, ranges


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_raspberry_pi_is_recognised_by_its_device_tree_only(tmp_path: Path) -> None:
    files = {"proc/cpuinfo": "model name\t: Raspberry Pi Lookalike\nModel\t: Raspberry Pi 4\n"}
    facts = machine.machine(tree(tmp_path / "a", files))
    assert facts.raspberry_pi is None and facts.file_name == "raspberry-pi-lookalike"
    assert "no Raspberry Pi" in str(facts)
    model = "Raspberry Pi 4 Model B Rev 1.4\0"
    facts = machine.machine(tree(tmp_path / "b", files | {"proc/device-tree/model": model}))
    assert facts.raspberry_pi == model[:-1] and facts.file_name == "raspberry-pi-4-model-b-rev-1-4"
    other = machine.machine(tree(tmp_path / "c", {"proc/device-tree/model": "Orange Pi 5\0"}))
    assert other.raspberry_pi is None


def test_state_reads_clock_temperature_and_throttling(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu/cpu0"
    files = {
        f"{cpu}/cpufreq/scaling_governor": "ondemand\n",
        f"{cpu}/cpufreq/scaling_cur_freq": "1500000\n",
        f"{cpu}/thermal_throttle/package_throttle_count": "3\n",
        "sys/class/thermal/thermal_zone0/temp": "41000\n",
        "sys/class/thermal/thermal_zone1/temp": "56500\n",
    }
    found = machine.state(tree(tmp_path, files))
    assert (found.governor, found.megahertz, found.celsius) == ("ondemand", 1500, 56.5)
    assert found.throttle_count == 3
    nothing = machine.state(tmp_path / "empty")
    assert nothing.governor is nothing.megahertz is nothing.celsius is nothing.throttle_count is None


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
    first, last = (replace(machine.state(), throttled=bits, throttle_count=None) for bits in (before, after))
    reasons = machine.spoiled(first, last)
    assert bool(reasons) == bool(word) and word in "".join(reasons)
    conditions = machine.Conditions(first, last, tuple(reasons))
    assert conditions.notes()[0].startswith("SPOILED") == bool(word)


def test_a_throttled_pc_spoils_the_result() -> None:
    before, after = (replace(machine.state(), throttled=None, throttle_count=n) for n in (3, 4))
    assert machine.spoiled(before, after) and not machine.spoiled(before, before)


def test_whole_turns_give_each_contender_one_turn_per_round_and_rotate() -> None:
    steps = list(interleaved.whole_turns(["a", "b"], 3))
    assert steps == [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")]


def test_short_turns_give_each_contender_all_pictures_and_rotate() -> None:
    steps = list(interleaved.short_turns(["a", "b"], 40, 3))
    assert len(steps) == interleaved.turn_count(2, 40, 3)
    for name in "ab":
        for number in range(3):
            done = [i for n, who, some in steps if n == number and who == name for i in some]
            assert done == list(range(40))
    assert {who for _, who, some in steps if some[0] == 16} == {"a", "b"}
    starts = [next(who for n, who, some in steps if n == number) for number in range(2)]
    assert starts == ["a", "b"]


def test_a_timing_holds_the_rounds_medians() -> None:
    found = interleaved.timing(np.array([[1.0, 2.0, 30.0], [1.0, 4.0, 30.0], [1.0, 3.0, 30.0]]) / 1e3)
    assert (found.value, found.low, found.high) == pytest.approx((3, 2, 4))
    assert found.p95 <= found.p99 <= 30


def test_difference_of_figures() -> None:
    one, other = (ranges.Range(value, value - 0.03, value + 0.04) for value in (0.9, 0.8))
    found = ranges.difference(one, other)
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.05, 0.15))
