"""Describes the machine on which a figure was measured: processor, clock, temperature, and any throttling."""

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Self

from edge.system.board import file_name, processor, raspberry_pi, text

_PACKAGES = ("ai-edge-litert", "tflite-runtime", "numpy", "pillow", "opencv-python-headless", "tensorflow-cpu")
# The lowest four bits of `vcgencmd get_throttled` show what slows a Pi down now. The same bits, 16 places higher, show
# what has slowed it down at any time since it was started (raspberrypi.com, "os: vcgencmd").
_THROTTLED = ("under-voltage", "a capped clock", "throttling", "the soft temperature limit")
_ROOT = Path("/")


@dataclass(frozen=True)
class Machine:
    """A machine.

    Attributes:
        processor: name of the processor.
        raspberry_pi: model of the Raspberry Pi, as the device reports it; None if it doesn't report one.
        cores: number of cores; None if it is unknown.
        system: operating system and architecture.
        python: version of Python.
        packages: versions of the packages that matter for speed, by name.
    """

    processor: str
    raspberry_pi: str | None
    cores: int | None
    system: str
    python: str
    packages: dict[str, str]

    @property
    def file_name(self) -> str:
        """The name for files of results, without ending: the model of a Pi, or else the processor."""
        return file_name(self.raspberry_pi or self.processor)

    def __str__(self) -> str:
        """The machine in words, on one line."""
        what = self.raspberry_pi or f"{self.processor} (no Raspberry Pi)"
        return f"{what}, {self.cores} cores, {self.system}, Python {self.python}"


@dataclass(frozen=True)
class State:
    """The state of a machine at one time. A value is None if the system doesn't report it.

    Attributes:
        governor: the policy that sets the clock, such as "ondemand".
        megahertz: the current clock.
        celsius: temperature of the hottest sensor.
        throttled: a Pi's throttling bits, see _THROTTLED.
        throttle_count: how often an x86 processor has been throttled since it was started.
        load: mean number of processes that ran or waited for a core during the last minute.
    """

    governor: str | None
    megahertz: float | None
    celsius: float | None
    throttled: int | None
    throttle_count: int | None
    load: float


@dataclass(frozen=True)
class Conditions:
    """The machine's state before and after a measurement.

    Attributes:
        before: the state at the beginning.
        after: the state at the end.
        spoiled: why the measurement can't be used, one sentence per reason; empty if no problem was seen.
    """

    before: State
    after: State
    spoiled: tuple[str, ...]

    def notes(self) -> list[str]:
        """Lines of text for a person: first what spoils the measurement, then clock, temperature and load."""
        before, after = self.before, self.after
        throttling_unknown = after.throttled is None and after.throttle_count is None
        parts = [
            f"governor {before.governor or 'unknown'}",
            f"{before.megahertz:.0f} to {after.megahertz:.0f} MHz" if before.megahertz else "clock unknown",
            f"{before.celsius:.0f} to {after.celsius:.0f} °C" if before.celsius else "temperature unknown",
            *(["throttling unknown"] if throttling_unknown else []),
            f"load {before.load:.1f} to {after.load:.1f}",
        ]
        return [*(f"SPOILED: {each}" for each in self.spoiled), ", ".join(parts)]


class Watch:
    """Put `with Watch() as watch:` around a measurement; `watch.conditions` then holds the machine's Conditions."""

    conditions: Conditions

    def __enter__(self) -> Self:
        self._before = state()
        return self

    def __exit__(self, *_: object) -> None:
        after = state()
        self.conditions = Conditions(self._before, after, tuple(spoiled(self._before, after)))


def machine(root: Path = _ROOT) -> Machine:
    """Describes this machine. root: folder to take as the root of the file system; another one is for tests."""
    return Machine(
        processor=processor(root),
        raspberry_pi=raspberry_pi(root),
        cores=os.cpu_count(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages={name: version for name in _PACKAGES if (version := _version(name))},
    )


def state(root: Path = _ROOT) -> State:
    """This machine's current state. root: folder to take as the root of the file system; another one is for tests."""
    cpu = root / "sys/devices/system/cpu/cpu0"
    clock = _number(cpu / "cpufreq/scaling_cur_freq")
    heat = [_number(zone / "temp") for zone in root.glob("sys/class/thermal/thermal_zone*")]
    return State(
        governor=text(cpu / "cpufreq/scaling_governor"),
        megahertz=clock / 1000 if clock else _megahertz(root),
        celsius=max((each / 1000 for each in heat if each is not None), default=None),
        throttled=_vcgencmd(),
        throttle_count=_number(cpu / "thermal_throttle/package_throttle_count"),
        load=os.getloadavg()[0],
    )


def spoiled(before: State, after: State) -> list[str]:
    """Why a measurement between two states can't be used, one sentence per reason; empty if no problem was seen."""
    reasons = []
    if before.throttled is not None and after.throttled is not None:
        since = after.throttled >> 16 & ~(before.throttled >> 16)
        bits = (before.throttled | after.throttled) & 15 | since & 15
        held_back = [word for i, word in enumerate(_THROTTLED) if bits >> i & 1]
        if held_back:
            reasons.append(
                f"The Pi reports {', '.join(held_back)}, so it was slower than it can be; cool it, or use a stronger "
                "power supply."
            )
    if (after.throttle_count or 0) > (before.throttle_count or 0):
        reasons.append("The processor was too hot and was throttled, so it was slower than it can be.")
    return reasons


def joules(root: Path = _ROOT) -> float | None:
    """What the processors have used so far, by their own meters (RAPL of Intel and AMD); None without one to read."""
    folders = root.glob("sys/class/powercap/intel-rapl:[0-9]")
    known = [each for folder in folders if (each := _number(folder / "energy_uj")) is not None]
    return sum(known) / 1e6 if known else None


def resident_megabytes() -> float:
    """The resident memory of this process, in units of 2^20 bytes; 0 if it is unknown."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def _megahertz(root: Path) -> float | None:
    found = re.search(r"^cpu MHz\s*:\s*([\d.]+)", text(root / "proc/cpuinfo") or "", re.M)
    return float(found[1]) if found else None


def _vcgencmd() -> int | None:
    """A Pi's throttling bits; None on other machines."""
    if not shutil.which("vcgencmd"):
        return None
    done = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True)
    found = re.fullmatch(r"throttled=(0x[0-9a-fA-F]+)", done.stdout.strip())
    return int(found[1], 16) if found else None


def _number(file: Path) -> int | None:
    found = text(file)
    return int(found) if found and found.lstrip("-").isdigit() else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
