"""On which machine a figure was measured: its processor, clock and temperature, and whether it was throttled."""

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Self

_PACKAGES = ("ai-edge-litert", "tflite-runtime", "numpy", "pillow", "opencv-python-headless", "tensorflow-cpu")
# The lowest four bits of `vcgencmd get_throttled` say what holds a Pi back now, and sixteen bits higher what has held
# it back since it was started (raspberrypi.com, "os: vcgencmd").
_THROTTLED = ("under-voltage", "a capped clock", "throttling", "the soft temperature limit")
_ROOT = Path("/")


@dataclass(frozen=True)
class Machine:
    """A machine.

    Attributes:
        processor: its name.
        raspberry_pi: the model, as the device itself names it; None where the device doesn't say that it is a Raspberry
            Pi.
        cores: how many; None where the system doesn't tell.
        system: operating system and architecture.
        python: its version.
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
        """What a file of its results is called: a Pi by its model, others by their processor."""
        return re.sub(r"[^a-z0-9]+", "-", (self.raspberry_pi or self.processor).lower()).strip("-")

    def __str__(self) -> str:
        """In words, on one line."""
        what = self.raspberry_pi or f"{self.processor} (no Raspberry Pi)"
        return f"{what}, {self.cores} cores, {self.system}, Python {self.python}"


@dataclass(frozen=True)
class State:
    """What may change while a machine works. None where the system doesn't tell.

    Attributes:
        governor: which policy sets the clock, such as "ondemand".
        megahertz: the clock now.
        celsius: temperature of the hottest zone.
        throttled: a Pi's throttling bits.
        throttle_count: how often an x86 processor was throttled.
        load: mean number of processes that wanted a core in the last minute.
    """

    governor: str | None
    megahertz: float | None
    celsius: float | None
    throttled: int | None
    throttle_count: int | None
    load: float


@dataclass(frozen=True)
class Conditions:
    """The machine's state around a measurement.

    Attributes:
        before: when it began.
        after: when it had ended.
        spoiled: why it is worth nothing, a sentence each; empty where nothing speaks against it.
    """

    before: State
    after: State
    spoiled: tuple[str, ...]

    def notes(self) -> list[str]:
        """For a person, a line each: first what spoils the measurement, then clock, temperature and load."""
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
    """This machine. root: where its file system begins."""
    model = _text(root / "proc/device-tree/model")
    return Machine(
        processor=_processor(root),
        raspberry_pi=model if model and model.startswith("Raspberry Pi") else None,
        cores=os.cpu_count(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages={name: version for name in _PACKAGES if (version := _version(name))},
    )


def state(root: Path = _ROOT) -> State:
    """This machine's state now. root: where its file system begins."""
    cpu = root / "sys/devices/system/cpu/cpu0"
    clock = _number(cpu / "cpufreq/scaling_cur_freq")
    heat = [_number(zone / "temp") for zone in root.glob("sys/class/thermal/thermal_zone*")]
    return State(
        governor=_text(cpu / "cpufreq/scaling_governor"),
        megahertz=clock / 1000 if clock else _megahertz(root),
        celsius=max((each / 1000 for each in heat if each is not None), default=None),
        throttled=_vcgencmd(),
        throttle_count=_number(cpu / "thermal_throttle/package_throttle_count"),
        load=os.getloadavg()[0],
    )


def spoiled(before: State, after: State) -> list[str]:
    """Why a measurement between two states is worth nothing, a sentence each; empty where nothing speaks against it."""
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


def resident_megabytes() -> float:
    """How much of this process is in memory; 0 where the system doesn't tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def _processor(root: Path) -> str:
    for line in (_text(root / "proc/cpuinfo") or "").splitlines():
        if line.lower().startswith(("model name", "model\t")) and not line.split(":")[1].strip().isdigit():
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _megahertz(root: Path) -> float | None:
    found = re.search(r"^cpu MHz\s*:\s*([\d.]+)", _text(root / "proc/cpuinfo") or "", re.M)
    return float(found[1]) if found else None


def _vcgencmd() -> int | None:
    """A Pi's throttling bits, None elsewhere."""
    if not shutil.which("vcgencmd"):
        return None
    done = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True)
    found = re.fullmatch(r"throttled=(0x[0-9a-fA-F]+)", done.stdout.strip())
    return int(found[1], 16) if found else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text and text.lstrip("-").isdigit() else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
