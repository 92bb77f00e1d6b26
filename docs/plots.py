"""Draws docs/ruler.jpg, docs/gate.jpg and docs/figures/unseen.svg: `python docs/plots.py`. It needs the extra train.

The first shows how red cells become a ruler, on a drawn slide. The second shows what int8 changes, on the cells of that
slide. The third shows the table in docs/figures/unseen.md.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt

from edge.crop import crop
from edge.frames import Frame
from edge.locate import Locator
from edge.model import SHIPPED, Model
from edge.red_cells import RedCellRuler, diameter, round_things
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import parse

DOCS = Path(__file__).parent
RIGHT, WRONG, REVIEW = "#0072b2", "#d55e00", "#d0d0d0"  # Okabe and Ito's colours, told apart by the colour-blind
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| [\d.]+ \| [\d.]+ (\d+)/(\d+) \| (?:(\d+)/\d+|-) \|", re.M)


def drawn(fields: int) -> Iterator[Frame]:
    """So many fields of one drawn slide."""
    camera = SimulatedCamera(parse("seed=5,faults=0,defocus=0"), paced=False)
    for number in range(0, 30 * fields, 30):
        yield Frame(camera.frame(number), "sim", number, 0.0)


def ruler(to: Path, fields: int = 40) -> None:
    """One field with the outlines of its red cells, and how many outlines of each diameter a run has."""
    locator, run = Locator(), RedCellRuler()
    sizes: list[float] = []
    shown: tuple[Frame, list[tuple[float, ...]]] | None = None
    for frame in drawn(fields):
        located = locator.locate(frame)
        assert located.trace
        things, _ = round_things(located.trace.small, located.trace.not_red)
        run.add(located.red_cells, (frame.width, frame.height))
        sizes += [located.scale * diameter(size) for _, _, size in things]
        shown = shown or (frame, [tuple(located.scale * each for each in (x, y, diameter(s))) for x, y, s in things])
    assert shown
    measured = run.pooled(located.side, located.scale, located.estimate)
    assert measured
    frame, circles = shown
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), width_ratios=(1.6, 1), layout="constrained")
    left.imshow(frame.image)
    for x, y, width in circles:
        left.add_patch(plt.Circle((x, y), width / 2, fill=False, color=RIGHT, linewidth=1))
    left.set_axis_off()
    left.set_title("Round things that touch no other, in one field", fontsize=10)
    right.hist(sizes, bins=np.arange(10, 90), color=RIGHT)
    right.axvline(measured.diameter, color=WRONG)
    right.set_title(f"Those of {fields} fields; the ruler is {measured.diameter:.1f} pixels", fontsize=10)
    right.set_xlabel("diameter, pixels")
    right.set_ylabel("outlines")
    figure.savefig(to, dpi=100, pil_kwargs={"quality": 85})


def gate(to: Path, fields: int = 200) -> None:
    """The probabilities of the shipped float and int8 file, cell by cell, and the answers that int8 changes."""
    locator = Locator()
    files = [Model(SHIPPED.with_name(f"compact-{kind}.tflite")) for kind in ("float32", "int8")]
    points: list[list[np.ndarray]] = []
    for frame in drawn(fields):
        for cell in locator.cells(frame):
            if not cell.at_border:
                crops = [crop(frame, cell, each.size, each.policy) for each in files]
                points.append([each.probabilities(one) for each, one in zip(files, crops, strict=True)])
    answers = np.array(points)  # [cells, files, labels]
    changed = answers[:, 0].argmax(axis=1) != answers[:, 1].argmax(axis=1)
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for place, label in enumerate(files[0].labels[:2]):
        x, y = answers[:, 0, place], answers[:, 1, place]
        axes[place].plot([0, 1], [0, 1], color=REVIEW, linewidth=1)
        axes[place].scatter(x[~changed], y[~changed], s=8, color=RIGHT)
        axes[place].scatter(x[changed], y[changed], s=16, color=WRONG)
        axes[place].set(xlabel=f"{label}, float32", ylabel=f"{label}, int8", aspect="equal")
        axes[place].spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"Probabilities of {len(answers)} drawn cells; int8 changes {changed.sum()} answers", fontsize=10)
    figure.savefig(to, dpi=100, pil_kwargs={"quality": 85})


def unseen(to: Path) -> None:
    """Which share of lymphocytes and monocytes is named rightly, wrongly, or left for review, by source."""
    rows = ROW.findall((DOCS / "figures" / "unseen.md").read_text())[::-1]
    figure, axes = plt.subplots(figsize=(9, 0.34 * len(rows) + 0.9), layout="constrained")
    for place, (*_, named, cells, wrong) in enumerate(rows):
        bad, of = int(wrong or 0), int(cells)
        parts = ((int(named) - bad, RIGHT), (bad, WRONG), (of - int(named), REVIEW))
        start = 0.0
        for count, colour in parts:
            axes.barh(place, count / of, left=start, color=colour, height=0.7)
            start += count / of
        counts = f"{int(named) - bad} right, {bad} wrong, {of - int(named)} to review"
        axes.text(1.01, place, counts, va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [f"{source} ({file})" for file, source, *_ in rows], fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of lymphocytes and monocytes")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(to, metadata={"Date": None})


if __name__ == "__main__":
    matplotlib.rcParams["svg.hashsalt"] = "edge-classify"  # the same bytes each time
    matplotlib.rcParams["svg.fonttype"] = "none"
    ruler(DOCS / "ruler.jpg")
    gate(DOCS / "gate.jpg")
    unseen(DOCS / "figures" / "unseen.svg")
