"""`edge-doctor` finds faults of the machine itself: Python, disk, clock, power."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from doctor_findings import bad

from edge.doctor import system_checks


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    bad(system_checks.disk(tmp_path / "none"), "No such file or directory", "another folder")


def test_a_32_bit_system() -> None:
    """It is recognised by the size of a pointer, because a 64-bit kernel may run a 32-bit system."""
    bad(system_checks.python((3, 11), 32), "This is a 32-bit system (Python 3.11", "64-bit Raspberry Pi OS")
    bad(system_checks.python((3, 9), 64), "Python 3.9 is not 3.11 to 3.13", "Bookworm brings 3.11")
    assert system_checks.python((3, 13), 64).state == "fine"


def test_a_wrong_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bad(
        system_checks.clock(0.0),
        "The clock says 1970-01-01 00:00 UTC, before this program was made",
        "timedatectl set-time",
    )
    for answer, state in (("no", "warn"), ("yes", "fine")):
        program(tmp_path, "timedatectl", answer, monkeypatch)
        assert system_checks.clock().state == state


def program(folder: Path, name: str, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a stand-in for a program that this machine lacks on the PATH."""
    (folder / name).write_text(f"#!/bin/sh\necho '{answer}'\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Path]:
    """The files in which Linux says that a machine is a Pi and how warm it is."""
    place = tmp_path / "root"
    for file, text in (
        ("sys/firmware/devicetree/base/model", "Raspberry Pi 4 Model B Rev 1.5\0"),
        ("sys/class/thermal/thermal_zone0/temp", "61234\n"),
    ):
        (place / file).parent.mkdir(parents=True)
        (place / file).write_text(text)
    yield place


@pytest.mark.parametrize(
    ("answer", "state", "sentence", "remedy"),
    [
        ("throttled=0x0", "fine", "Raspberry Pi 4 Model B Rev 1.5, 61 °C: enough power, no throttling", ""),
        ("throttled=0x50005", "bad", "too little voltage, throttling right now", "own power supply"),
        ("throttled=0x50000", "warn", "too little voltage, throttling since it was started", "own power supply"),
        ("throttled=0x80008", "bad", "the soft temperature limit right now", "a heat sink or a fan"),
        ("VCHI initialization failed", "warn", "vcgencmd doesn't answer", "group video"),
    ],
)
def test_power(
    answer: str, state: str, sentence: str, remedy: str, pi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "vcgencmd", answer, monkeypatch)
    found = system_checks.power(pi)
    assert found.state == state and sentence in found.sentence and remedy in found.remedy


def test_a_hot_pi(pi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "vcgencmd", "throttled=0x0", monkeypatch)
    (pi / "sys/class/thermal/thermal_zone0/temp").write_text("83000\n")
    assert system_checks.power(pi).state == "warn"
