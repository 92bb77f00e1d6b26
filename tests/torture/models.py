"""Damaged model files: refused. Those that are forged, with a hash that fits, end with a sentence or an answer."""

import hashlib
from pathlib import Path

import numpy as np
from attempts import classify, damaged, picture

from edge.model import DIGITS, SHIPPED

COUNT, SECONDS = 3000, 5


def attempt(random: np.random.Generator, folder: Path) -> str | None:
    picture(random).save(folder / "a.png")
    whole = SHIPPED.read_bytes()
    archive = whole.index(b"PK\x03\x04")
    parts = [whole[:archive], whole[archive:-DIGITS]]
    part = int(random.integers(2))
    parts[part] = damaged(parts[part], random, 3)
    content = b"".join(parts)
    forged = random.random() < 0.5
    content += hashlib.sha256(content).hexdigest().encode() if forged else whole[-DIGITS:]
    (folder / "a.tflite").write_bytes(content)
    code, _, broke = classify(folder, "a.png", "--model", "a.tflite", "--json", "-")
    if not broke and not forged and code != 2 and content != whole:
        return "a damaged model was taken"
    return broke
