"""What the attempts of several kinds share: damage to bytes, and the command in this process."""

import os
import traceback
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image

from edge.cli import main
from edge.simulator import drawing


def damaged(content: bytes, random: np.random.Generator, most: int = 12) -> bytes:
    """The bytes with 1 to `most` changes: flipped bits, extreme numbers, and parts that are lost, doubled or exchanged.

    Half of the changes hit the first 200 bytes, where headers are.
    """
    result = bytearray(content)
    for _ in range(random.integers(1, most + 1)):
        if not result:
            break
        reach = min(len(result), 200) if random.random() < 0.5 else len(result)
        at, length = int(random.integers(reach)), int(random.integers(1, 40))
        kind = random.integers(6)
        if kind < 2:
            result[at] ^= 1 << random.integers(8)
        elif kind == 2:
            result[at : at + 4] = [b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x80"][random.integers(4)]
        elif kind == 3:
            del result[at : at + length]
        elif kind == 4:
            result[at:at] = result[at : at + length]
        elif random.random() < 0.3:
            del result[at:]
    return bytes(result)


def picture(random: np.random.Generator, size: int = 96) -> Image.Image:
    """A drawn cell."""
    return Image.fromarray(drawing.picture(str(random.choice(drawing.KINDS)), random, size))


def classify(folder: Path, *arguments: object) -> tuple[int, str, str | None]:
    """Runs edge-classify in this process, in a folder of which it may change nothing but `out`.

    Returns:
        Its exit code, what it printed on standard output, and what broke; None if all held.
    """
    before = _files(folder)
    os.chdir(folder)
    done = CliRunner().invoke(main, [*map(str, arguments)])
    broke = None
    if done.exception and not isinstance(done.exception, SystemExit):
        broke = "".join(traceback.format_exception(done.exception)[-3:])
    elif done.exit_code not in (0, 1, 2) or "Traceback" in done.stderr:
        broke = f"exit code {done.exit_code}: {done.stderr[-500:]}"
    elif done.exit_code == 2 and "rror: " not in done.stderr:
        broke = "exit code 2 without a sentence"
    elif (changed := {name for name, _ in before ^ _files(folder)}) and not broke:
        broke = f"changed outside of its folder: {sorted(changed)}"
    return done.exit_code, done.stdout, broke


def _files(folder: Path) -> set[tuple[str, int]]:
    """The files below a folder but for those in `out`, each with the moment of its last change."""
    found = {(str(path.relative_to(folder)), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}
    return {each for each in found if not each[0].startswith("out")}
