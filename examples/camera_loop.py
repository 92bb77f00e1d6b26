"""Count cells at a camera: `python examples/camera_loop.py SOURCE CELLS`.

SOURCE is what `edge-classify --camera` takes: 0 for the first USB camera, `sim` for the simulated microscope. CELLS is
the number of cells after which the program stops.
"""

import sys
from collections import Counter

from edge.camera.reader import FIRST, Camera
from edge.camera.source import opener
from edge.live.session import Session, SessionSettings
from edge.locate import Locator
from edge.model import Model

source, wanted = sys.argv[1], int(sys.argv[2])
model = Model()
camera = Camera(opener(source), source)  # opens it and reads it in a thread
print(camera.facts)  # what the camera really gives, such as its picture size
settings = SessionSettings(rules=model.rules(0.01), unrelated_frames=camera.unrelated_frames)
session = Session(model, Locator(), settings)
counts: Counter[str] = Counter()

try:
    while counts.total() < wanted and not camera.over:
        frame = camera.newest(timeout=FIRST)
        if frame is None:
            continue
        # Each cell is answered once, from several frames in which it was still and in focus.
        for answer in session.step(frame):
            for cell, decision in answer.cells:
                counts[decision.label] += 1
                print(f"#{cell.number} {decision.label} {decision.reason}")
finally:
    camera.close()
print(dict(counts))
