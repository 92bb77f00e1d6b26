"""What a few labelled cells of a microscope taught a model: a profile, small JSON tied to the model by its hash."""

import hashlib
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge import contract
from edge.contract import Decision
from edge.decide import LEAST, OTHER
from edge.errors import UserError, reason
from edge.model import Model, Prediction

VERSION = 1
FEWEST = 5  # physical cells of each of the two names


@dataclass(frozen=True)
class LogitOffset:
    """What is added to a logit: shift + features @ weights."""

    shift: float = 0.0
    weights: tuple[float, ...] = ()

    def of(self, features: np.ndarray) -> float:
        """To ten-thousandths, so that machines agree."""
        moved = float(features.astype(np.float64) @ np.array(self.weights)) if self.weights else 0.0
        return round(self.shift + moved, 4)


@dataclass(frozen=True)
class Profile:
    """model: its sha256; cells: physical cells that it learned from, by label; names: what is added to the logit of the
    second of the two names against the first; rest: to that of all else against these; decision: temperature, rest and
    risks in place of those in the model's contract; told: what the file says besides.
    """

    model: str
    cells: dict[str, int]
    names: LogitOffset
    rest: LogitOffset
    decision: Decision
    told: dict[str, Any]

    def kinds(self, seen: Prediction) -> np.ndarray:
        """What a model saw -> probabilities, float32 [kinds], as this site has them."""
        kinds = [float(p) for p in seen.kinds]
        names, rest = sum(kinds[:2]), sum(kinds[2:])
        if names and (lean := self.names.of(seen.features)):
            second = names * _moved(kinds[1] / names, lean)
            kinds[:2] = names - second, second
        if names and rest and (lean := self.rest.of(seen.features)):
            share = _moved(rest / (names + rest), lean)
            kinds = [p / names * (1 - share) for p in kinds[:2]] + [p / rest * share for p in kinds[2:]]
        return np.array(kinds, np.float32)

    def learned_from(self) -> str:
        """ "20 lymphocytes, 20 monocytes, 18 other"."""
        return ", ".join(f"{n} {label}{'' if label == OTHER else 's'}" for label, n in self.cells.items())

    def document(self) -> dict[str, Any]:
        document = {
            "site_profile": VERSION,
            "model": self.model,
            "cells": self.cells,
            "names": {"shift": self.names.shift, "weights": list(self.names.weights)},
            "rest": {"shift": self.rest.shift, "weights": list(self.rest.weights)},
            "decision": contract.document(self.decision),
            **self.told,
        }
        return document | {"sha256": _digest(document)}


class SiteModel(Model):
    """A classifier at a site: it sees and rules as the site's profile says."""

    def __init__(self, path: str | Path, threads: int, profile: str | Path) -> None:
        """Raises UserError as Model and read() do, and for a profile of another model."""
        super().__init__(path, threads)
        self.profile = read(profile)
        if self.profile.model != self.sha256:
            raise UserError(
                f"{profile} was made for another model ({self.profile.model[:12]}, not {self.sha256[:12]}, which "
                f"{path} is); run `edge-site adapt` with this one."
            )
        features = len(self.distance.whiten) if self.distance else 0
        if {len(self.profile.names.weights), len(self.profile.rest.weights)} - {0, features}:
            raise UserError(f"{profile} doesn't fit its model; run `edge-site adapt` again.")
        self.decision = self.profile.decision

    def predict(self, crop: np.ndarray) -> Prediction:
        seen = super().predict(crop)
        return replace(seen, kinds=self.profile.kinds(seen))


def write(profile: Profile, path: str | Path) -> None:
    """Raises UserError where it can't be written; never leaves half a file."""
    target = Path(path)
    partial = target.with_name(f"{target.name}.partial")
    try:
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in profile.document().items()]
        partial.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise UserError(f"Can't write {path}: {reason(error)}.") from error
    finally:
        partial.unlink(missing_ok=True)


def read(path: str | Path) -> Profile:
    """Raises UserError for what isn't a whole profile, or one from fewer than FEWEST cells of a name."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"The site profile {path} can't be read: {reason(error)}.") from error
    except ValueError as error:
        raise UserError(f"{path} is no site profile, or a damaged one; make it with `edge-site adapt`.") from error
    if not isinstance(document, dict) or "site_profile" not in document:
        raise UserError(f"{path} is no site profile; make one with `edge-site adapt`.")
    if document["site_profile"] != VERSION:
        raise UserError(f"{path} is a site profile of version {document['site_profile']}; this one knows {VERSION}.")
    told = {key: value for key, value in document.items() if key != "sha256"}
    if _digest(told) != document.get("sha256"):
        raise UserError(f"{path} is damaged, or was changed by hand; make it again with `edge-site adapt`.")
    try:
        profile = _profile(told)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is an incomplete site profile; make it again with `edge-site adapt`.") from error
    few = {label: count for label, count in profile.cells.items() if count < FEWEST}
    if few or len(profile.cells) < 2:
        counts = " and ".join(f"{count} {label} cells" for label, count in few.items()) or "one kind of cell"
        raise UserError(f"{path} was made from {counts}: {FEWEST} of each is the least to trust; label more.")
    return profile


def _profile(document: dict[str, Any]) -> Profile:
    leans = []
    for name in ("names", "rest"):
        lean = LogitOffset(float(document[name]["shift"]), tuple(map(float, document[name]["weights"])))
        if not all(map(math.isfinite, (lean.shift, *lean.weights))):
            raise ValueError(name)
        leans.append(lean)
    decision = contract.load(Decision, document["decision"])
    if decision.risks is None:
        raise ValueError("risks")
    cells = {str(label): int(count) for label, count in document["cells"].items()}
    known = {"site_profile", "model", "cells", "names", "rest", "decision"}
    rest = {key: value for key, value in document.items() if key not in known}
    return Profile(str(document["model"]), cells, leans[0], leans[1], decision, rest)


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _moved(share: float, lean: float) -> float:
    """A share whose logit is moved by `lean`."""
    share = min(max(share, LEAST), 1 - LEAST)
    return 1 / (1 + math.exp(-(math.log(share / (1 - share)) + lean)))
