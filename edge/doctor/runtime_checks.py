"""Examines model files, camera and speed. Check first that the libraries work."""

import os
import statistics
import time
from collections import Counter
from pathlib import Path

import numpy as np

from edge import classify, locate, model
from edge.decide import RISK, Rules
from edge.doctor.finding import Finding
from edge.doctor.verify import Verified, verify_files
from edge.errors import UserError
from edge.frames import Frame

_LOOK = 2.0  # seconds that a camera is watched
_SLOW = 2.0  # fields a second; with fewer, the user must wait for the answers before moving the stage
_FADES = 1.5  # times as long; a field that takes more at the end than at the start means heat or too little power
_FEWEST = 30  # fields; with fewer, start and end aren't compared
_PLUG = (
    "plug it in; list cameras with `v4l2-ctl --list-devices` or, for the Pi's own, `rpicam-hello --list-cameras`; or "
    "name it with --camera"
)
_RIGHTS = "run `sudo usermod -aG video $USER` and log in again"


def models(path: Path | None = None) -> list[Finding]:
    """Is each model file whole, the classifier's and the locator's, and are its samples answered as expected?

    path: the classifier's file; None for the shipped one.
    """
    return [_model(verified) for verified in verify_files(path)]


def _model(verified: Verified) -> Finding:
    name, file, right, count = verified.name, verified.path.name, verified.right, verified.count
    if verified.error:
        return Finding(name, "bad", verified.error.message, "copy the file again, or install again")
    if right < count:
        sentence = f"{file} gives wrong answers on this machine: only {right} of {count} samples are as expected."
        return Finding(
            name, "bad", sentence, "don't use it on this machine; install again and, if that doesn't help, report this"
        )
    sentence = f"{file} gives the expected answers: {right} of {count} samples."
    if not verified.sealed:
        remedy = "convert the model again, or run `convert seal` on it"
        return Finding(name, "warn", f"{sentence} No hash protects it against damage.", remedy)
    return Finding(name, "fine", sentence)


def speed(seconds: float, path: Path | None = None) -> Finding:
    """How fast one thread answers fields: drawn ones with six cells, 1280 x 720 pixels.

    Args:
        seconds: how long to measure, in seconds; at least one field is answered.
        path: the classifier's file; None for the shipped one.
    """
    from edge.simulator import drawing

    drawn, _ = drawing.field(np.random.default_rng(0), 6, shape=(720, 1280), look=drawing.Look(red_cell=60))
    frame = Frame(drawn, "drawn", 0, 0.0)
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
    sentence = f"{1 / typical:.1f} drawn fields of {cells} cells a second, {1000 * typical:.0f} ms each"
    fade = statistics.median(times[-third:]) / statistics.median(times[:third])
    if len(times) >= _FEWEST and fade > _FADES:
        sentence += f"; at the end, a field takes {fade:.1f} times as long as at first."
        return Finding("speed", "warn", sentence, "give it a heat sink or a fan, and end other programs")
    if 1 / typical < _SLOW:
        return Finding("speed", "warn", f"{sentence}.", "end other programs, and move the stage slowly")
    return Finding("speed", "fine", f"{sentence}.")


def _answered(frame: Frame, opened: model.Model, locator: locate.Locator, rules: Rules) -> classify.Answer:
    found = classify.find(frame, opened.policy, locator)
    predictions = [classify.predict(opened, frame, cell) for cell in found.cells]
    return classify.answer(classify.Predicted(found, predictions), rules)


def camera(source: str | None = None) -> Finding:
    """One camera: is it there, may it be used, is it free, and what does it deliver?

    source: as `edge-classify --camera` takes it; None for the first camera that is found.
    """
    from edge.camera import usb

    if source is None:
        source = next(iter(usb.found()), None)
        if source is None:
            return Finding("camera", "warn", "There is no camera, neither USB nor the Pi's own.", _PLUG)
    if source.isdecimal() or source.startswith("/dev/"):
        device = Path(f"/dev/video{int(source)}" if source.isdecimal() else source)
        if not device.exists():
            cameras = ", ".join(usb.found()) or "none"
            sentence = f"There is no camera {device}; cameras on this machine: {cameras}."
            return Finding("camera", "bad", sentence, _PLUG)
        if not os.access(device, os.R_OK | os.W_OK):
            return Finding("camera", "bad", f"No permission to use {device}.", _RIGHTS)
        users = _users(device)
        if users:
            return Finding("camera", "bad", f"{device} is in use by {', '.join(users)}.", "end that program first")
    return _delivered(source)


def _users(device: Path) -> list[str]:
    """Other programs that have a file open, as far as this process may see that: "NAME (process number)"."""
    file, found = str(device.resolve()), {}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        process = link.parts[2]
        try:
            if process != str(os.getpid()) and str(link.readlink()) == file:
                found[process] = Path("/proc", process, "comm").read_text().strip()
        except OSError:  # the process has ended, or belongs to another user
            continue
    return [f"{name} ({process})" for process, name in found.items()]


def _delivered(source: str) -> Finding:
    """What a camera delivers within two seconds after its first picture."""
    from edge.camera.address import shown
    from edge.camera.faults import Faults
    from edge.camera.reader import FIRST, Camera
    from edge.camera.source import opener

    try:
        opened = Camera(opener(source), shown(source))
    except UserError as error:
        sentence, _, remedy = error.message.rstrip(".").partition(": run ")
        return Finding("camera", "bad", f"{sentence}.", f"run {remedy}" if remedy else _PLUG)
    faults, seen, count = Faults(), Counter[str](), 0
    began = time.monotonic()
    end = began + FIRST
    while time.monotonic() < end and not opened.over:
        frame = opened.newest(0.1)
        if frame is not None:
            if not count:  # the first picture may take long
                began, end = time.monotonic(), time.monotonic() + _LOOK
            count += 1
            seen[faults.of(frame.image)] += 1
    took = time.monotonic() - began
    opened.close()
    if not count:
        sentence = f"{opened.facts}, but no picture came in {FIRST:.0f} s."
        return Finding("camera", "bad", sentence, "check its cable, and end other programs that use it")
    sentence = f"{opened.facts}; {count} picture{'' if count == 1 else 's'} in {took:.1f} s"
    fault, times = max(((f, n) for f, n in seen.items() if f), key=lambda item: item[1], default=("", 0))
    if times > count / 2:
        return Finding("camera", "warn", f"{sentence}, {times} of them {fault}.", "check lamp, exposure and cable")
    return Finding("camera", "fine", f"{sentence}.")
