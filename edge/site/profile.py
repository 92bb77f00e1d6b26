"""The profile of a site: what a few labelled cells of a microscope taught a model.

A profile is a small JSON file. It names the model that it belongs to by its sha256, and carries a hash of its own.
"""

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from edge import contract
from edge.contract import Count, Decision, Probability, Range
from edge.decide import LEAST, OTHER
from edge.errors import UserError, reason
from edge.model import SHIPPED, Model, Prediction, try_out
from edge.site.figures import LeftOut

VERSION = 1
_MOST = 1e6  # of a shift or a weight: a feature that hardly varies gets a large one
_FARTHEST = 100.0  # logits: beyond that, a probability is 0 or 1
FEWEST = 5  # physical cells of each of the two names; a profile isn't made from fewer


@dataclass(frozen=True)
class LogitOffset:
    """What is added to a logit: shift + features @ weights.

    Attributes:
        shift: in logits.
        weights: one for each feature of the network's last layer; empty where the features add nothing.
    """

    shift: Annotated[float, Range(-_MOST, _MOST)] = 0.0
    weights: tuple[Annotated[float, Range(-_MOST, _MOST)], ...] = ()

    def of(self, features: np.ndarray) -> float:
        """The offset of one cell, rounded to ten-thousandths, so that all machines agree. features: float [n]."""
        moved = float(features.astype(np.float64) @ np.array(self.weights)) if self.weights else 0.0
        return round(min(max(self.shift + moved, -_FARTHEST), _FARTHEST), 4)


@dataclass(frozen=True)
class Profile:
    """What a site's labelled cells change in the answers of one model.

    Attributes:
        model: sha256 of the model file.
        cells: number of physical cells that it was fitted to, by label.
        second_name: what is added to the logit of the second name against the first.
        other: what is added to the logit of *other* against the two names.
        decision: temperature, Platt scaling and thresholds, in place of those in the model's contract.
        pictures: number of pictures of these cells, by label; None where it isn't known.
        left_out: how well left-out cells were answered; None where that wasn't measured.
        prevalence: share of each name at the site, by label, 0 to 1; `second_name` takes it into account. None where
            both names are taken to be equally common.
    """

    model: str
    cells: dict[str, Count]
    second_name: LogitOffset = field(metadata={"key": "names"})
    other: LogitOffset = field(metadata={"key": "rest"})
    decision: Decision
    pictures: dict[str, Count] | None = None
    left_out: LeftOut | None = None
    prevalence: dict[str, Probability] | None = field(default=None, metadata={"key": "shares"})

    def adjusted(self, prediction: Prediction) -> np.ndarray:
        """The probabilities of the kinds at this site, float32 [kinds], summing to 1."""
        kinds = [float(p) for p in prediction.kinds]
        names, other = sum(kinds[:2]), sum(kinds[2:])
        if names and (offset := self.second_name.of(prediction.features)):
            second = names * _moved(kinds[1] / names, offset)
            kinds[:2] = names - second, second
        if names and other and (offset := self.other.of(prediction.features)):
            share = _moved(other / (names + other), offset)
            kinds = [p / names * (1 - share) for p in kinds[:2]] + [p / other * share for p in kinds[2:]]
        return np.array(kinds, np.float32)

    def learned_from(self) -> str:
        """The number of cells in words: "20 lymphocytes, 20 monocytes, 18 other"."""
        return ", ".join(f"{n} {label}{'' if label == OTHER else 's'}" for label, n in self.cells.items())

    def document(self) -> dict[str, Any]:
        """The profile as a JSON object, with its version and its hash."""
        document = {"site_profile": VERSION, **contract.document(self)}
        return document | {"sha256": _digest(document)}


class SiteModel(Model):
    """A classifier whose probabilities and thresholds are those of a site's profile.

    Attributes:
        profile: the site's profile.
    """

    def __init__(self, path: str | Path, threads: int, profile: str | Path) -> None:
        """Opens a model file and a profile file.

        Raises:
            UserError: where Model or `read` raises it, and where the profile belongs to another model.
        """
        super().__init__(path, threads)
        self.profile = read(profile)
        if self.profile.model != self.sha256:
            raise UserError(
                f"{profile} was made for another model: {self.profile.model[:12]}, but {path} is {self.sha256[:12]}. "
                "Run `edge-site adapt` with this model."
            )
        features = len(self.distance.whiten) if self.distance else 0
        fits = not {len(self.profile.second_name.weights), len(self.profile.other.weights)} - {0, features}
        if not fits or self.lacking(self.profile.decision):
            raise UserError(f"{profile} doesn't fit its model; run `edge-site adapt` again.")
        self.decision = self.profile.decision
        self.home = None  # the profile's own cells have set the limits for this microscope

    def predict(self, crop: np.ndarray) -> Prediction:
        """See Model.predict. The probabilities are adjusted to the site."""
        prediction = super().predict(crop)
        return replace(prediction, kinds=self.profile.adjusted(prediction))


def open_model(path: Path | None, threads: int, site: str) -> SiteModel:
    """Opens a model file, None for the shipped one, with a site's profile. Raises UserError where one can't be used."""
    if path:
        try_out(path)
    return SiteModel(path or SHIPPED, threads, site)


def write(profile: Profile, path: str | Path) -> None:
    """Writes a profile file, whole or not at all. Raises UserError where it can't be written."""
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
    """Reads a profile file.

    Raises:
        UserError: where it isn't a whole profile of this version, or was made from fewer than FEWEST cells of a name.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"The site profile {path} can't be read: {reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a site profile, or it is damaged; make one with `edge-site adapt`.") from error
    if not isinstance(document, dict) or "site_profile" not in document:
        raise UserError(f"{path} is not a site profile; make one with `edge-site adapt`.")
    if document["site_profile"] != VERSION:
        raise UserError(
            f"{path} is a site profile of version {document['site_profile']}; this program knows version {VERSION}."
        )
    digest = document.pop("sha256", None)
    if _digest(document) != digest:
        raise UserError(f"{path} is damaged, or was changed by hand; make it again with `edge-site adapt`.")
    try:
        profile = _profile(document)
    except ValueError as error:
        raise UserError(f"{path} is an incomplete site profile; make it again with `edge-site adapt`.") from error
    few = {label: count for label, count in profile.cells.items() if count < FEWEST}
    if few or len(profile.cells) < 2:
        counts = " and ".join(f"{count} {label} cells" for label, count in few.items()) or "cells of one class only"
        raise UserError(f"{path} was made from {counts}; at least {FEWEST} of each class are needed. Label more.")
    return profile


def _profile(document: dict[str, Any]) -> Profile:
    """The profile in a JSON object. Raises ValueError where something is missing or out of its range."""
    profile: Profile = contract.load(Profile, document)
    if profile.decision.risks is None:
        raise ValueError("no thresholds")
    return profile


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _moved(share: float, offset: float) -> float:
    """A probability whose logit is moved by `offset`."""
    share = min(max(share, LEAST), 1 - LEAST)
    return 1 / (1 + math.exp(-(math.log(share / (1 - share)) + offset)))
