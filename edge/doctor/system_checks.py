"""Findings on the machine alone: Python, libraries, display, disk, power, clock. Needs nothing that may be missing."""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from edge import RELEASED
from edge.doctor.finding import Finding

_PYTHONS = ((3, 11), (3, 13))  # the first and the last that every library has wheels for
# What is imported, and the wheel that brings it; of the runtimes one will do.
_LIBRARIES = {"numpy": "numpy", "PIL.Image": "pillow", "cv2": "opencv-python-headless", "click": "click"}
_RUNTIMES = {"ai_edge_litert.interpreter": "ai-edge-litert", "tflite_runtime.interpreter": "tflite-runtime"}
_AGAIN = "install again: `install.sh` of the bundle, or `pip install --force-reinstall`"
_LEAST, _LITTLE = 50, 500  # MB free: no room for results; room for a few days
_HOT = 80.0  # degrees Celsius from which on a Pi slows down
_NOW = {0: "too little voltage", 1: "a lowered clock", 2: "throttling", 3: "the soft temperature limit"}


def python(version: tuple[int, int] | None = None, bits: int = 8 * struct.calcsize("P")) -> Finding:
    """bits: of this process, which on a 64-bit kernel may still be 32."""
    version = version or (sys.version_info.major, sys.version_info.minor)
    name = ".".join(map(str, version))
    machine = platform.machine()
    if bits < 64:
        told = f"This is a 32-bit system (Python {name}, kernel {machine}), for which LiteRT isn't made."
        remedy = "put 64-bit Raspberry Pi OS on the card, or use README's fallback for 32-bit Bookworm"
        return Finding("python", "warn" if importlib.util.find_spec("tflite_runtime") else "bad", told, remedy)
    if not _PYTHONS[0] <= version <= _PYTHONS[1]:
        remedy = "make the environment with another one: Bookworm brings 3.11, Trixie 3.13"
        return Finding("python", "bad", f"Python {name} is not 3.11 to 3.13.", remedy)
    return Finding("python", "fine", f"Python {name}, {bits} bits, on {machine}.")


def libraries() -> list[Finding]:
    """One a library, each imported in a process of its own: what a wrong wheel breaks may be the process."""
    found = [_library(module, wheel) for module, wheel in _LIBRARIES.items()]
    both = {"opencv-python", "opencv-python-headless"}
    if both <= {str(distribution.name).lower() for distribution in importlib.metadata.distributions()}:
        told = "opencv-python and opencv-python-headless are both here and overwrite each other."
        found.append(Finding("opencv-python", "warn", told, "`pip uninstall` both, then install the headless one"))
    runtimes = [_library(module, wheel) for module, wheel in _RUNTIMES.items()]
    return [*found, next((r for r in runtimes if r.state == "fine"), runtimes[0])]


def _library(module: str, wheel: str) -> Finding:
    error = _imported(module)
    tag = _foreign(wheel)
    if not error:
        return Finding(wheel, "fine", f"{wheel} {_version(wheel)}".strip() + " works.")
    if re.search(rf"No module named '{module.partition('.')[0]}'", error):
        return Finding(wheel, "bad", f"{wheel} is missing.", _AGAIN)
    if tag:
        here = f"Python {sys.version_info.major}.{sys.version_info.minor} on {platform.machine()}"
        return Finding(wheel, "bad", f"{wheel} is the wrong wheel: it is for {tag}, and this is {here}.", _AGAIN)
    needs = re.search(r"(lib[\w.+-]+\.so[.\d]*): cannot open shared object", error)
    if needs:
        remedy = f"`sudo apt install` what holds {needs[1]}"
        if "opencv" in wheel:
            remedy += "; if that is a part of a desktop, install the headless wheel instead"
        return Finding(wheel, "bad", f"{wheel} needs {needs[1]}, which isn't here.", remedy)
    return Finding(wheel, "bad", f"{wheel} doesn't work: {error}.", _AGAIN)


def _imported(module: str) -> str:
    """Tries it in a copy of this process -> what went wrong, on one line."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        text = ""
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            importlib.import_module(module)
        except BaseException as error:
            text = next((line for line in reversed(str(error).splitlines()) if ".so" in line), str(error))
            text = (text.strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        os.write(writing, text.encode(errors="replace")[:2000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    return f"importing it ends the process by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else text


def _version(wheel: str) -> str:
    try:
        return importlib.metadata.version(wheel)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _foreign(wheel: str) -> str:
    """What a wheel was made for, where none of its tags fits this Python and machine."""
    try:
        lines = (importlib.metadata.distribution(wheel).read_text("WHEEL") or "").splitlines()
    except importlib.metadata.PackageNotFoundError:
        return ""
    tags = [
        line.removeprefix("Tag: ").split("-") for line in lines if line.startswith("Tag: ") and line.count("-") == 2
    ]
    own = f"cp{sys.version_info.major}{sys.version_info.minor}"
    for interpreter, abi, system in tags:
        fits = interpreter.startswith("py") or own in interpreter.split(".") or abi == "abi3"
        if fits and (system == "any" or system.endswith(platform.machine())):
            return ""
    return f"{tags[0][0]} on {tags[0][2]}" if tags else ""


def display() -> Finding:
    """What --show needs."""
    from edge.live.window import Window

    try:
        Window("edge-doctor")
    except RuntimeError as error:
        tk = "sudo apt install python3-tk" in str(error)
        remedy = (
            "`sudo apt install python3-tk`" if tk else "start it from the desktop or by `ssh -X`, or leave --show out"
        )
        return Finding("display", "bad", f"No window can be shown: {str(error).split(';')[0]}.", remedy)
    return Finding("display", "fine", "A window can be shown.")


def disk(folder: Path) -> Finding:
    """Where results shall go: is there room, and may we write? Writes a file and removes it."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".edge-doctor-") as file:
            file.write(b"\0" * 65536)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        told = f"Nothing can be written to {folder}: {error.strerror or error}."
        return Finding("disk", "bad", told, "make room, or name another folder that you may write to with --folder")
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < _LITTLE:
        told = f"{free} MB are free in {folder}."
        return Finding(
            "disk", "bad" if free < _LEAST else "warn", told, "make room: pictures of --save take most of it"
        )
    return Finding("disk", "fine", f"{folder} can be written, {free} MB are free.")


def power(root: Path = Path("/")) -> Finding:
    """What a Pi says of its supply and its temperature, now and since it was started."""
    board = _text(root / "sys/firmware/devicetree/base/model").rstrip("\0")
    heat = _text(root / "sys/class/thermal/thermal_zone0/temp")
    warm = f", {int(heat) / 1000:.0f} °C" if heat.isdecimal() else ""
    told = re.search(r"throttled=0x([0-9a-f]+)", _said("vcgencmd", "get_throttled"))
    if not told:
        if "Raspberry Pi" in board:
            sentence = f"{board}{warm}; whether it gets enough power can't be told: vcgencmd doesn't answer."
            return Finding("power", "warn", sentence, "`sudo apt install raspi-utils`, and be in the group video")
        return Finding("power", "fine", f"{board or 'No Raspberry Pi'}{warm}; nothing to be told of its power.")
    flags = int(told[1], 16)
    now = [name for bit, name in _NOW.items() if flags >> bit & 1]
    before = [name for bit, name in _NOW.items() if flags >> (bit + 16) & 1]
    short = any("voltage" in name for name in now + before)
    remedy = "use the Pi's own power supply and a short cable" if short else "give it a heat sink or a fan"
    if now:
        return Finding("power", "bad", f"{board or 'The Pi'}{warm}: {', '.join(now)} right now.", remedy)
    if before:
        return Finding("power", "warn", f"{board or 'The Pi'}{warm}: {', '.join(before)} since it was started.", remedy)
    if heat.isdecimal() and int(heat) / 1000 >= _HOT:
        return Finding("power", "warn", f"{board or 'The Pi'}{warm}: soon it slows down.", remedy)
    return Finding("power", "fine", f"{board or 'The Pi'}{warm}: enough power, no throttling since it was started.")


def clock(now: float | None = None) -> Finding:
    """Results carry the time: a Pi has no clock of its own that runs while it is off (before the Pi 5: none at all)."""
    moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
    remedy = "connect it to the net, or `sudo timedatectl set-time 'YYYY-MM-DD HH:MM:SS'`"
    if moment.date() < RELEASED:
        told = f"The clock says {moment:%Y-%m-%d %H:%M} UTC, before this program was made ({RELEASED})."
        return Finding("clock", "bad", told, remedy)
    synchronised = _said("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if synchronised == "no":
        return Finding("clock", "warn", f"The clock says {moment:%Y-%m-%d %H:%M} UTC and isn't synchronised.", remedy)
    how = "synchronised" if synchronised == "yes" else "whether it is synchronised can't be told"
    return Finding("clock", "fine", f"The clock says {moment:%Y-%m-%d %H:%M} UTC; {how}.")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _said(*command: str) -> str:
    """What a program writes; empty where there is none, or it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
