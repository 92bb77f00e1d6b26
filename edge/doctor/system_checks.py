"""Examines the machine itself: Python, libraries, display, disk, power, clock.

Only the check of the display needs a library; the others run with Python alone.
"""

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

_PYTHONS = ((3, 11), (3, 13))  # the first and the last version for which every library has wheels
# Modules that are imported, and the wheels that they come from. One of the runtimes is enough.
_LIBRARIES = {
    "numpy": "numpy",
    "PIL.Image": "pillow",
    "cv2": "opencv-python-headless",
    "click": "click",
    "tqdm": "tqdm",
}
_RUNTIMES = {"ai_edge_litert.interpreter": "ai-edge-litert", "tflite_runtime.interpreter": "tflite-runtime"}
_AGAIN = "install again: `install.sh` of the bundle, or `pip install --force-reinstall`"
_LEAST, _LITTLE = 50, 500  # free MB; below the first there is no room for results, the second is enough for a few days
_HOT = 80.0  # degrees Celsius, at which a Pi slows down
# Bits of `vcgencmd get_throttled`. The bits 16 places higher tell the same about the time since the Pi was started.
_THROTTLED = {0: "too little voltage", 1: "a lowered clock", 2: "throttling", 3: "the soft temperature limit"}


def python(version: tuple[int, int] | None = None, bits: int = 8 * struct.calcsize("P")) -> Finding:
    """Is there a wheel of every library for this Python?

    Args:
        version: (major, minor); None for that of this process.
        bits: size of this process's pointers, which may be 32 even on a 64-bit kernel.
    """
    version = version or (sys.version_info.major, sys.version_info.minor)
    name = ".".join(map(str, version))
    machine = platform.machine()
    if bits < 64:
        sentence = f"This is a 32-bit system (Python {name}, kernel {machine}), for which LiteRT isn't made."
        remedy = 'put 64-bit Raspberry Pi OS on the card, or follow "32-bit Bookworm" in docs/raspberry-pi.md'
        return Finding("python", "warn" if importlib.util.find_spec("tflite_runtime") else "bad", sentence, remedy)
    if not _PYTHONS[0] <= version <= _PYTHONS[1]:
        remedy = "make the environment with another Python: Bookworm brings 3.11, Trixie 3.13"
        return Finding("python", "bad", f"Python {name} is not 3.11 to 3.13.", remedy)
    return Finding("python", "fine", f"Python {name}, {bits} bits, on {machine}.")


def libraries() -> list[Finding]:
    """Does each library work?

    Each is imported in a process of its own, since a wrong wheel may crash the process.
    """
    found = [_library(module, wheel) for module, wheel in _LIBRARIES.items()]
    both = {"opencv-python", "opencv-python-headless"}
    if both <= {str(distribution.name).lower() for distribution in importlib.metadata.distributions()}:
        sentence = "opencv-python and opencv-python-headless are both installed and overwrite each other."
        found.append(Finding("opencv-python", "warn", sentence, "`pip uninstall` both, then install the headless one"))
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
        remedy = f"`sudo apt install` the package that holds {needs[1]}"
        if "opencv" in wheel:
            remedy += "; if that is part of a desktop, install the headless wheel instead"
        return Finding(wheel, "bad", f"{wheel} needs {needs[1]}, which isn't installed.", remedy)
    return Finding(wheel, "bad", f"{wheel} doesn't work: {error}.", _AGAIN)


def _imported(module: str) -> str:
    """Imports a module in a copy of this process; returns what went wrong, on one line, or ""."""
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
    """What a wheel was made for, where none of its tags fits this Python and machine; else ""."""
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
    """Can a window be shown, as --show needs it?"""
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
    """Is there room in the folder for results, and may this user write to it?

    Writes a small file there and removes it.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".edge-doctor-") as file:
            file.write(b"\0" * 65536)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        sentence = f"Nothing can be written to {folder}: {error.strerror or error}."
        return Finding("disk", "bad", sentence, "make room, or name another folder that you may write to with --folder")
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < _LITTLE:
        sentence = f"{free} MB are free in {folder}."
        remedy = "make room: pictures of --save take most of it"
        return Finding("disk", "bad" if free < _LEAST else "warn", sentence, remedy)
    return Finding("disk", "fine", f"{folder} can be written to; {free} MB are free.")


def power(root: Path = Path("/")) -> Finding:
    """Does a Pi get enough power and stay cool, now and since it was started?

    root: root of the file system in which the Pi's model and temperature are looked up.
    """
    board = _text(root / "sys/firmware/devicetree/base/model").rstrip("\0")
    heat = _text(root / "sys/class/thermal/thermal_zone0/temp")
    warm = f", {int(heat) / 1000:.0f} °C" if heat.isdecimal() else ""
    throttled = re.search(r"throttled=0x([0-9a-f]+)", _output("vcgencmd", "get_throttled"))
    if not throttled:
        if "Raspberry Pi" in board:
            sentence = f"{board}{warm}: vcgencmd doesn't answer, so it isn't known whether it gets enough power."
            return Finding("power", "warn", sentence, "`sudo apt install raspi-utils`, and join the group video")
        return Finding("power", "fine", f"{board or 'No Raspberry Pi'}{warm}: its power supply can't be checked.")
    flags = int(throttled[1], 16)
    now = [name for bit, name in _THROTTLED.items() if flags >> bit & 1]
    before = [name for bit, name in _THROTTLED.items() if flags >> (bit + 16) & 1]
    short = any("voltage" in name for name in now + before)
    remedy = "use the Pi's own power supply and a short cable" if short else "give it a heat sink or a fan"
    if now:
        return Finding("power", "bad", f"{board or 'The Pi'}{warm}: {', '.join(now)} right now.", remedy)
    if before:
        return Finding("power", "warn", f"{board or 'The Pi'}{warm}: {', '.join(before)} since it was started.", remedy)
    if heat.isdecimal() and int(heat) / 1000 >= _HOT:
        return Finding("power", "warn", f"{board or 'The Pi'}{warm}: it will soon slow down.", remedy)
    return Finding("power", "fine", f"{board or 'The Pi'}{warm}: enough power, no throttling since it was started.")


def clock(now: float | None = None) -> Finding:
    """Is the clock right? Results carry the time.

    A Pi's clock doesn't run while it is off; models before the Pi 5 have no clock at all.

    now: seconds since the epoch; None for this machine's clock.
    """
    moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
    remedy = "connect it to the internet, or `sudo timedatectl set-time 'YYYY-MM-DD HH:MM:SS'`"
    if moment.date() < RELEASED:
        sentence = f"The clock says {moment:%Y-%m-%d %H:%M} UTC, before this program was made ({RELEASED})."
        return Finding("clock", "bad", sentence, remedy)
    synchronised = _output("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if synchronised == "no":
        return Finding("clock", "warn", f"The clock says {moment:%Y-%m-%d %H:%M} UTC and isn't synchronised.", remedy)
    how = "it is synchronised" if synchronised == "yes" else "it isn't known whether it is synchronised"
    return Finding("clock", "fine", f"The clock says {moment:%Y-%m-%d %H:%M} UTC; {how}.")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _output(*command: str) -> str:
    """What a program writes; "" where there is no such program, or it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
