"""Does a Raspberry Pi, emulated by QEMU, install the bundle and give the same answers as this machine, byte for byte?

`python -m pi BUNDLE --data ../shared/data`, or `make pi-proof`. For each system and core it runs, in an arm64
Debian root:

1. the two commands of README that install the bundle,
2. edge-doctor,
3. edge-classify on real cells and fields, whose JSON is compared,
4. edge-classify --camera, with frames that this machine has drawn, whose counted cells are compared,
5. the command that removes edge-classify.

The time that this takes on an emulated Pi says nothing about a real one.
"""

import csv
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from edge.errors import UserError
from edge.simulator.microscope import SimulatedCamera

HERE = Path(__file__).parent
PROJECT = HERE.parent
SYSTEMS = ("bookworm", "trixie")
CORES = {"cortex-a72": "Pi 4", "cortex-a76": "Pi 5"}
TOOLS = ("qemu-aarch64-static", "mmdebstrap", "proot")
_SIMULATED = "sim:width=640,height=480,red_cell=40,fps=8"
_EVERY = 4  # a cell is counted again in each frame of a folder, so half a second lies between two frames
ROOTS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-classify" / "pi"


class Failed(UserError):
    """The proof failed: something on the emulated Pi is wrong."""

    exit_code = 1


class Absent(UserError):
    """No Pi can be emulated on this machine."""


@dataclass(frozen=True)
class Task:
    """The pictures that both machines answer.

    Attributes:
        folder: the data set.
        names: paths of the pictures, relative to the folder.
        seconds: how long the simulated camera is watched.
    """

    folder: Path
    names: list[str]
    seconds: float


def need_tools() -> None:
    """Raises Absent where a program is missing that emulating a Pi needs."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        raise Absent(
            f"A Pi can't be emulated on this machine without {', '.join(missing)}: "
            "run `sudo apt-get install qemu-user-static mmdebstrap arch-test proot`."
        )


def readme_commands() -> str:
    """The two commands of README that install the bundle, as a newcomer copies them, without sudo and comments."""
    blocks = (PROJECT / "README.md").read_text().split("```sh\n")[1:]
    [block] = [b.split("```")[0] for b in blocks if "tar xf edge-classify-pi.tar.xz" in b]
    return "\n".join(line.partition("  #")[0].removeprefix("sudo ") for line in block.splitlines())


def pictures(data: Path, cells: int, fields: int) -> list[str]:
    """Chooses pictures of cells from the test split, equally many of each source, and camera fields.

    Both are spread evenly over the data set.

    Args:
        data: the data set.
        cells: number of pictures of one cell.
        fields: number of camera fields.

    Returns:
        Their paths relative to the data set.
    """
    with (data / "cells.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    sources = sorted({row["source"] for row in rows})
    shares = [cells // len(sources) + (i < cells % len(sources)) for i in range(len(sources))]
    names: list[str] = []
    for source, share in zip(sources, shares, strict=True):
        names += spread([row["path"] for row in rows if row["source"] == source], share)
    shown = sorted(str(f.relative_to(data)) for f in (data / "fields").rglob("*") if f.suffix in (".jpg", ".png"))
    return names + spread(shown, fields)


def spread(names: list[str], count: int) -> list[str]:
    """`count` names, spread evenly over a list, or all of them."""
    return [names[i * len(names) // count] for i in range(min(count, len(names)))]


class Pi:
    """An emulated Raspberry Pi.

    Attributes:
        root: the folder that is its file system.
        core: a key of CORES.
        inside: what runs a command on it, as the beginning of a command line.
    """

    def __init__(self, root: Path, core: str, binds: list[Path]) -> None:
        """binds: folders of this machine that the Pi can see."""
        self.root, self.core = root, core
        self.inside = ("env", f"BIND={':'.join(map(str, binds))}", str(HERE / "run"), str(root), core)

    def run(self, script: str, *codes: int) -> str:
        """Runs a shell script.

        Args:
            script: what sh runs.
            codes: exit codes that count as success; if none is given, only 0.

        Returns:
            Its standard output.

        Raises:
            Failed: where it ends with another code.
        """
        done = subprocess.run([*self.inside, "sh", "-c", script], capture_output=True, text=True, check=False)
        if done.returncode not in (codes or (0,)):
            raise Failed(f"{self.root.name}, {self.core}: {script!r} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout


def system_root(system: str, roots: Path, *packages: str) -> Path:
    """The root folder of a system, inside `roots`. It is made if it doesn't exist; raises Absent if that fails.

    packages: Debian packages that it holds besides what edge-classify needs.
    """
    root = roots / "-".join((system, *packages))
    if not root.exists():
        roots.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=roots) as unfinished:
            done = subprocess.run(
                [HERE / "make-root", system, f"{unfinished}/root"],
                env=os.environ | {"PACKAGES": ",".join(packages)}, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise Absent(f"No root of {system} can be made on this machine: {done.stderr.strip()}")
            Path(unfinished, "root").rename(root)
    return root


def hand_out(task: Task, place: Path) -> None:
    """Writes what is answered into a folder: the list of pictures, and the frames of the simulated camera.

    They are drawn here, because a drawing's last digits differ from machine to machine.
    """
    from edge.camera.source import opener

    place.mkdir(exist_ok=True)
    (place / "list").write_text("\n".join(task.names) + "\n")
    (place / "frames").mkdir()
    camera = opener(_SIMULATED)()
    assert isinstance(camera, SimulatedCamera)
    for number in range(0, round(task.seconds * camera.fps), _EVERY):
        Image.fromarray(camera.frame(number)).save(place / "frames" / f"{number:04}.png")


def script(task: Task, out: str) -> str:
    """The shell script that both machines run: it writes pictures.json and camera.json into the folder `out`."""
    return (
        f"cd '{task.folder}' && edge-classify --json {out}/pictures.json - < {out}/list > /dev/null && "
        f"edge-classify --camera {out}/frames --json {out}/camera.json > /dev/null"
    )


def counted_cells(file: Path) -> list[tuple[int, str, dict[str, float]]]:
    """The number, the answer and its probabilities of each cell that a run at the camera counted."""
    rows = map(json.loads, file.read_text().splitlines())
    return [(row["cell"], row["label"], row["probabilities"]) for row in rows]


def answer_here(task: Task, out: Path) -> None:
    """Runs the script on this machine, with this checkout's code. Raises Failed where that fails."""
    command = f'edge-classify() {{ "{sys.executable}" -m edge "$@"; }}; {script(task, str(out))}'
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"This machine itself can't answer: {done.stderr}")
    if not counted_cells(out / "camera.json"):
        raise Failed("This machine itself counts no cell.")


def install(pi: Pi, bundle: Path) -> str:
    """Runs README's two commands in an empty home folder; returns the last line that the installer prints."""
    home = pi.root / "root"
    shutil.rmtree(pi.root / "opt" / "edge-classify", ignore_errors=True)
    shutil.rmtree(home)
    home.mkdir()
    shutil.copy(bundle, home / "edge-classify-pi.tar.xz")
    output = pi.run(f"set -e\n{{ {readme_commands()}\n}} 2>&1")
    for file in home.glob("edge-classify*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    return output.strip().splitlines()[-1]


def run_doctor(pi: Pi) -> str:
    """Runs edge-doctor; returns what is fine. Raises Failed where more is wrong than the missing camera."""
    document = json.loads(pi.run("edge-doctor --json --seconds 1", 0, 1))
    states = {finding["name"]: finding["state"] for finding in document["findings"]}
    wrong = [name for name in ("python", "numpy", "ai-edge-litert", "model", "locator") if states[name] != "fine"]
    if wrong or document["state"] == "bad":
        raise Failed(f"edge-doctor on {pi.root.name}, {pi.core}: {document}")
    return ", ".join(name for name, state in states.items() if state == "fine") + " fine"


def compare(theirs: Path, ours: Path) -> str:
    """Compares the Pi's answers with this machine's: pictures to the byte, counted cells by number and answer.

    Args:
        theirs: the folder with the Pi's answers.
        ours: the folder with this machine's answers.

    Returns:
        How many answers are equal, in words.

    Raises:
        Failed: where something differs.
    """
    name = "pictures.json"
    lines = list(itertools.zip_longest(*((place / name).read_text().splitlines() for place in (theirs, ours))))
    other = [pair for pair in lines if pair[0] != pair[1]]
    if other or not lines:
        first = "\n".join(map(str, other[0])) if other else ""
        raise Failed(f"{len(other)} of {len(lines)} answers differ. The first, on the Pi and on this machine:\n{first}")
    there, here = (counted_cells(place / "camera.json") for place in (theirs, ours))
    if there != here:
        raise Failed(f"The camera's cells differ, on the Pi and on this machine: {there}, {here}")
    return f"{len(lines)} answers equal to the byte, {len(here)} cells at the camera equal"


def prove(
    bundle: Path, task: Task, systems: Sequence[str], cores: Sequence[str], roots: Path, report: Callable[[str], None]
) -> None:
    """Installs a bundle on emulated Pis and compares their answers with this machine's.

    Args:
        bundle: what `make pi-bundle` made.
        task: what is answered.
        systems: keys of SYSTEMS.
        cores: keys of CORES.
        roots: folder in which the emulated systems are kept for later runs.
        report: gets a line for each step that held.

    Raises:
        Absent: where no Pi can be emulated on this machine.
        Failed: where something differs.
    """
    need_tools()
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder, "here")
        hand_out(task, ours)
        answer_here(task, ours)
        report(f"{os.uname().machine}: {len(task.names)} pictures answered.")
        for system, core in itertools.product(systems, cores):
            root = system_root(system, roots.resolve())
            began, theirs = time.monotonic(), Path(folder, f"{system}-{core}")
            hand_out(task, theirs)
            pi = Pi(root, core, [task.folder, theirs])
            report(f"{system}, {core} ({CORES[core]}): {install(pi, bundle)}")
            report(f"  edge-doctor: {run_doctor(pi)}")
            pi.run(script(task, str(theirs)))
            report(f"  {compare(theirs, ours)}")
            pi.run("sh /opt/edge-classify/install.sh --uninstall")
            if list((root / "opt").iterdir()) or list((root / "usr/local/bin").iterdir()):
                raise Failed(f"{system}: uninstalling left files behind.")
            report(f"  removed without a trace; {time.monotonic() - began:.0f} s")
