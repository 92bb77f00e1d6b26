"""Streams with many faults: the session goes on, and counts hardly a cell that isn't there."""

from pathlib import Path

import numpy as np

from edge.frames import Frame
from edge.live.session import Session
from edge.locate import Locator
from edge.model import Model
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario

COUNT, SECONDS = 200, 60
FRAMES = 150


def session(random: np.random.Generator) -> tuple[SimulatedCamera, Session]:
    scenario = Scenario(
        seed=int(random.integers(1 << 31)), width=480, height=360, red_cell=30, fps=15, white=5,
        faults=float(random.choice([0, 20, 60])),
    )  # fmt: skip
    return SimulatedCamera(scenario, paced=False), Session(Model(), Locator())


def attempt(random: np.random.Generator, folder: Path) -> str | None:
    camera, watching = session(random)
    counted = feed(camera, watching, FRAMES) + len(watching.finish())
    last = camera.stage(camera.number)[0] + camera.scenario.width
    there = len(camera.truth(0, last))
    return None if counted <= 1.1 * there + 2 else f"{counted} cells were counted where {there} are"


def feed(camera: SimulatedCamera, watching: Session, frames: int) -> int:
    """Gives frames to a session. Returns how many cells it counted."""
    counted = 0
    for _ in range(frames):
        if not camera.grab():
            camera.open()
            continue
        counted += len(watching.step(Frame(camera.retrieve(), "sim", camera.number, camera.number / camera.fps)))
    return counted
