"""Findings on the work itself: model files, speed, camera. Needs the libraries, which edge.doctor.system_checks looks at first."""

import os
import statistics
import time
from collections import Counter
from pathlib import Path

import numpy as np

from edge import classify, locate, model
from edge.decide import Rules
from edge.doctor.finding import Finding
from edge.errors import UserError
from edge.frames import Frame

_LOOK = 2.0  # seconds that a camera is watched
_SLOW = 2.0  # fields a second: with fewer, the stage must wait for the answers
_FADES = 1.5  # times the time a field took at first: so much slower at the end means heat or little power
_PLUG = (
    "plug it in, look for it with `v4l2-ctl --list-devices`, the Pi's own with `rpicam-hello --list-cameras`; or name "
    "it with --camera"
)
_RIGHTS = "run `sudo usermod -aG video $USER` and log in anew"


def models(path: Path | None = None) -> list[Finding]:
    """The classifier's and the locator's files: whole, and with the answers here that they gave where made."""
    return [_model("model", path or model.SHIPPED), _model("locator", locate.SHIPPED)]


def _model(name: str, path: Path) -> Finding:
    try:
        file = model.Model(path) if name == "model" else locate.Locator(path)
    except UserError as error:
        return Finding(name, "bad", error.message, "copy the file again, or install again")
    right, count = file.verify()
    if right < count:
        told = f"{path.name} answers differently here: {right} of {count} samples are as expected."
        return Finding(name, "bad", told, "don't use it here; install again and, if that doesn't help, report this")
    return Finding(name, "fine", f"{path.name} answers here as where it was made, {right} of {count} samples.")


def speed(seconds: float, path: Path | None = None) -> Finding:
    """Drawn fields of six cells, 1280 x 720, answered one after the other by one thread, for so many seconds."""
    from edge import frames
    from edge.decide import RISK
    from edge.simulator import drawing

    drawn, _ = drawing.field(np.random.default_rng(0), 6, shape=(720, 1280), look=drawing.Look(red_cell=60))
    frame = frames.Frame(drawn, "drawn", 0, 0.0)
    opened = model.Model(path or model.SHIPPED)
    rules = opened.rules(RISK)
    locator = locate.Locator()
    cells = len(_answered(frame, opened, locator, rules).cells)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not times:
        began = time.perf_counter()
        _answered(frame, opened, locator, rules)
        times.append(time.perf_counter() - began)
    typical, third = statistics.median(times), max(1, len(times) // 3)
    told = f"{1 / typical:.1f} drawn fields of {cells} cells a second, {1000 * typical:.0f} ms each"
    fade = statistics.median(times[-third:]) / statistics.median(times[:third])
    if len(times) >= 30 and fade > _FADES:
        told += f", at the end {fade:.1f} times as long as at first."
        return Finding("speed", "warn", told, "give it a heat sink or a fan, and end other programs")
    if 1 / typical < _SLOW:
        return Finding("speed", "warn", f"{told}.", "end other programs, and move the stage slowly")
    return Finding("speed", "fine", f"{told}.")


def _answered(frame: Frame, opened: model.Model, locator: locate.Locator, rules: Rules) -> classify.Answer:
    found = classify.find(frame, opened.policy, locator)
    predictions = [classify.predict(opened, frame, cell) for cell in found.cells]
    return classify.answer(classify.Predicted(found, predictions), rules)


def camera(source: str | None = None) -> Finding:
    """The camera that was named, or the first one here: is there one, may we, is it free, what does it deliver?"""
    from edge.camera import usb

    if source is None:
        source = next(iter(usb.found()), None)
        if source is None:
            return Finding("camera", "warn", "There is no camera, neither USB nor the Pi's own.", _PLUG)
    if source.isdecimal() or source.startswith("/dev/"):
        device = Path(f"/dev/video{int(source)}" if source.isdecimal() else source)
        if not device.exists():
            here = ", ".join(usb.found()) or "none"
            return Finding("camera", "bad", f"There is no camera {device}; cameras here: {here}.", _PLUG)
        if not os.access(device, os.R_OK | os.W_OK):
            return Finding("camera", "bad", f"No rights to {device}.", _RIGHTS)
        users = _users(device)
        if users:
            return Finding("camera", "bad", f"{device} is in use by {', '.join(users)}.", "end that program first")
    return _delivered(source)


def _users(device: Path) -> list[str]:
    """Other programs that have a file open, as far as we may know: NAME (process number)."""
    file, found = str(device.resolve()), {}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        process = link.parts[2]
        try:
            if process != str(os.getpid()) and str(link.readlink()) == file:
                found[process] = Path("/proc", process, "comm").read_text().strip()
        except OSError:  # ended meanwhile, or somebody else's
            continue
    return [f"{name} ({process})" for process, name in found.items()]


def _delivered(source: str) -> Finding:
    from edge.camera.faults import Faults
    from edge.camera.reader import FIRST, Camera
    from edge.camera.source import opener, shown

    try:
        opened = Camera(opener(source), shown(source))
    except UserError as error:
        told, _, remedy = error.message.rstrip(".").partition(": run ")
        return Finding("camera", "bad", f"{told}.", f"run {remedy}" if remedy else _PLUG)
    faults, seen, count = Faults(), Counter[str](), 0
    began = time.monotonic()
    end = began + FIRST
    while time.monotonic() < end and not opened.over:
        frame = opened.newest(0.1)
        if frame is not None:
            if not count:  # the first may take long
                began, end = time.monotonic(), time.monotonic() + _LOOK
            count += 1
            seen[faults.of(frame.image)] += 1
    took = time.monotonic() - began
    opened.close()
    if not count:
        told = f"{opened.facts}, but no picture came in {FIRST:.0f} s."
        return Finding("camera", "bad", told, "look at its cable, and end other programs that use it")
    told = f"{opened.facts}; {count} picture{'' if count == 1 else 's'} in {took:.1f} s"
    fault, times = max(((f, n) for f, n in seen.items() if f), key=lambda item: item[1], default=("", 0))
    if times > count / 2:
        return Finding("camera", "warn", f"{told}, {times} of them {fault}.", "look at lamp, exposure and cable")
    return Finding("camera", "fine", f"{told}.")
