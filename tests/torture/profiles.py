"""Damaged and forged site profiles: refused, or without influence on the answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from attempts import classify, damaged, picture

from edge.model import Model
from edge.site import profile
from edge.site.profile import LogitOffset, Profile, Site

COUNT, SECONDS = 1000, 5
_ODD: tuple[Any, ...] = (None, -1, 0, 1e308, float("nan"), float("inf"), "a", [], {}, [[1]], True, "0" * 64)


def attempt(random: np.random.Generator, folder: Path) -> str | None:
    picture(random).save(folder / "a.png")
    shipped, file = Model(), folder / "site.json"
    made = Profile(shipped.sha256, {"lymphocyte": 9, "monocyte": 9}, LogitOffset(1.0), LogitOffset(), shipped.decision)
    profile.write(Site(made), file)
    arguments = ("a.png", "--site", file.name, "--json", "-")
    expected = classify(folder, *arguments)[:2]
    if random.random() < 0.5:
        file.write_bytes(damaged(file.read_bytes(), random, 3))
        *found, broke = classify(folder, *arguments)
        return broke or (None if found[0] == 2 or tuple(found) == expected else "a damaged profile changed an answer")
    document = json.loads(file.read_text())
    del document["sha256"]
    _forge(document, random)
    file.write_text(json.dumps(document | {"sha256": profile._digest(document)}))
    return classify(folder, *arguments)[2]


def _forge(document: Any, random: np.random.Generator) -> None:
    """Replaces one value, at any depth, by an odd one."""
    key = list(document)[random.integers(len(document))]
    if isinstance(document[key], dict) and document[key] and random.random() < 0.7:
        _forge(document[key], random)
    else:
        document[key] = _ODD[random.integers(len(_ODD))]
