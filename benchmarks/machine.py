"""Where a figure was read: the processor, its clock, its heat, and whether it was throttled meanwhile."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

_PACKAGES = ("ai-edge-litert", "tflite-runtime", "numpy", "pillow", "opencv-python-headless", "tensorflow-cpu")
# Bits of `vcgencmd get_throttled` (raspberrypi.com, "os: vcgencmd"): for now, and sixteen higher for since the start.
_THROTTLED = ("under-voltage", "a capped clock", "throttling", "the soft temperature limit")
_ROOT = Path("/")


def machine(root: Path = _ROOT) -> dict:
    """-> {"processor", "raspberry_pi" (its model in its own words; None: the device doesn't say that it is one),
    "cores", "system", "python", "packages"}.
    """
    model = _text(root / "proc/device-tree/model")
    return {
        "processor": _processor(root),
        "raspberry_pi": model if model and model.startswith("Raspberry Pi") else None,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def name(facts: dict) -> str:
    """machine() -> what its results' file is called: a Pi by its model, others by their processor."""
    return re.sub(r"[^a-z0-9]+", "-", (facts["raspberry_pi"] or facts["processor"]).lower()).strip("-")


def title(facts: dict) -> str:
    """machine() in words."""
    what = facts["raspberry_pi"] or f"{facts['processor']} (no Raspberry Pi)"
    return f"{what}, {facts['cores']} cores, {facts['system']}, Python {facts['python']}"


def state(root: Path = _ROOT) -> dict:
    """What changes while it works, None where the system doesn't tell -> {"governor", "megahertz" (now), "celsius" (the
    hottest zone), "throttled" (a Pi's bits), "throttle_count" (x86's), "load" (processes that wanted a core, last
    minute)}.
    """
    cpu = root / "sys/devices/system/cpu/cpu0"
    clock = _number(cpu / "cpufreq/scaling_cur_freq")
    heat = [_number(zone / "temp") for zone in root.glob("sys/class/thermal/thermal_zone*")]
    return {
        "governor": _text(cpu / "cpufreq/scaling_governor"),
        "megahertz": clock / 1000 if clock else _megahertz(root),
        "celsius": max((each / 1000 for each in heat if each is not None), default=None),
        "throttled": _vcgencmd(),
        "throttle_count": _number(cpu / "thermal_throttle/package_throttle_count"),
        "load": os.getloadavg()[0],
    }


@contextmanager
def watched() -> Iterator[dict]:
    """Round a measurement: -> a dictionary that holds "before" and, at the end, "after" and "spoiled" (sentences)."""
    told: dict = {"before": state()}
    yield told
    told["after"] = state()
    told["spoiled"] = spoiled(told["before"], told["after"])


def spoiled(before: dict, after: dict) -> list[str]:
    """Why a measurement between two state()s is worth nothing; empty where nothing speaks against it."""
    reasons = []
    if after["throttled"] is not None:
        since = after["throttled"] >> 16 & ~(before["throttled"] >> 16)
        bits = (before["throttled"] | after["throttled"]) & 15 | since & 15
        held_back = [word for i, word in enumerate(_THROTTLED) if bits >> i & 1]
        if held_back:
            reasons.append(
                f"The Pi reports {', '.join(held_back)}: these times are not the machine's; cool or feed it."
            )
    if (after["throttle_count"] or 0) > (before["throttle_count"] or 0):
        reasons.append("The processor was throttled by its heat: these times are not the machine's.")
    return reasons


def notes(told: dict) -> list[str]:
    """watched()'s in lines for a person: what spoils the result first."""
    before, after = told["before"], told["after"]
    known = [
        f"governor {before['governor']}" if before["governor"] else "governor not told",
        f"{before['megahertz']:.0f} to {after['megahertz']:.0f} MHz" if before["megahertz"] else "clock not told",
        f"{before['celsius']:.0f} to {after['celsius']:.0f} °C" if before["celsius"] else "temperature not told",
        "throttling not told" if after["throttled"] is None and after["throttle_count"] is None else "",
        f"load {before['load']:.1f} to {after['load']:.1f}",
    ]
    return [*(f"SPOILED: {each}" for each in told["spoiled"]), ", ".join(each for each in known if each)]


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
