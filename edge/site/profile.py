"""The profile of a site: the ruler of a microscope, and what a few labelled cells of it taught a model.

A profile is a small JSON file with a hash of its own. What was learned names its model by the sha256. The ruler belongs
to no model, and a profile may hold the ruler alone.
"""

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from edge import contract
from edge import model as models
from edge.contract import Count, Decision, Probability, Range
from edge.decide import LEAST, OTHER
from edge.errors import UserError, reason
from edge.model import SHIPPED, Model, Prediction, try_out
from edge.red_cells import CERTAIN, PIXELS, KnownRuler
from edge.share import Share
from edge.site.figures import LeftOut, SiteFigures
from edge.system.whole import write_whole

VERSION, WITH_RULER = 1, 2  # of a profile without and with a ruler: programs that know no rulers refuse the second
_MOST = 1e6  # of a shift or a weight: a feature that hardly varies gets a large one
_FARTHEST = 100.0  # logits: beyond that, a probability is 0 or 1
NORMAL = 1.96  # standard deviations from the middle to the end of a 95 % interval
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


_End = Annotated[float, Range(1, 1e5)]


@dataclass(frozen=True)
class Ruler:
    """The size of red cells in the pictures of a site's microscope.

    Attributes:
        red_cell: their diameter, pixels.
        low, high: the ends of its 95 % interval, pixels.
        width, height: of the pictures, pixels.
        pictures: number of pictures that it was measured in; 0 if a person gave the micrometres per pixel.
    """

    red_cell: Annotated[float, Range(*PIXELS)]
    low: _End
    high: _End
    width: Annotated[int, Range(1)]
    height: Annotated[int, Range(1)]
    pictures: Count

    def known(self) -> KnownRuler:
        """The ruler as a run uses it."""
        spread = math.log(self.high / self.low) / 2 / NORMAL
        return KnownRuler(self.red_cell, round(spread, 3) if spread >= CERTAIN else 0.0, (self.width, self.height))

    def __str__(self) -> str:
        """As in "red cells of 70.8 pixels (66.2 to 75.7) in pictures of 1440x900"."""
        interval = f" ({self.low:.1f} to {self.high:.1f})" if self.pictures else ""
        return f"red cells of {self.red_cell:.1f} pixels{interval} in pictures of {self.width}x{self.height}"


@dataclass(frozen=True)
class Event:
    """A line in the history of a profile.

    Attributes:
        day: when it was, as in "2026-11-26".
        what: "adapt" or "check".
        model: sha256 of the model file.
        cells: number of physical cells that were learned from or checked, by label.
        figures: how cells were answered that the profile wasn't made from.
        recall: by label, the share of these that were found; None where it isn't known.
        held: whether these were held out, so that no profile ever learns from them; see edge.site.held.
    """

    day: str
    what: str
    model: str
    cells: dict[str, Count]
    figures: SiteFigures
    recall: dict[str, Share] | None = None
    held: bool = False


@dataclass(frozen=True)
class Site:
    """All that the profile file of a site holds: a ruler, what was learned, or both.

    Attributes:
        profile: what labelled cells changed in the answers of one model.
        ruler: the size of red cells.
        history: when cells were learned from or checked, and how well they were answered; the earliest first.
    """

    profile: Profile | None = None
    ruler: Ruler | None = None
    history: tuple[Event, ...] = ()

    def document(self) -> dict[str, Any]:
        """The profile as a JSON object, with its version and its hash."""
        document = {"site_profile": WITH_RULER if self.ruler else VERSION, **contract.document(self.profile or {})}
        further = {"ruler": self.ruler, "history": self.history}
        document |= {key: contract.document(value) for key, value in further.items() if value}
        return document | {"sha256": _digest(document)}

    def __str__(self) -> str:
        """What it holds, after its name: "was learned from 20 lymphocytes, 20 monocytes"."""
        learned = [f"was learned from {self.profile.learned_from()}"] if self.profile else []
        return " and ".join(learned + ([f"has a ruler, {self.ruler}"] if self.ruler else []))


class SiteModel(Model):
    """A classifier with the profile of a site: probabilities and thresholds are those of the site.

    Attributes:
        site: what the profile holds.
        ruler: its ruler, for a run; None if it has none.
    """

    def __init__(self, path: str | Path, threads: int, profile: str | Path) -> None:
        """Opens a model file and a profile file.

        Raises:
            UserError: where Model or `read` raises it, and where the profile belongs to another model.
        """
        super().__init__(path, threads)
        self.site = read(profile)
        self.ruler = self.site.ruler.known() if self.site.ruler else None
        learned = self.site.profile
        if learned is None:
            return
        if learned.model != self.sha256:
            raise UserError(
                f"{profile} was made for another model: {learned.model[:12]}, but {path} is {self.sha256[:12]}. "
                "Run `edge-site adapt` with this model."
            )
        features = len(self.distance.whiten) if self.distance else 0
        fits = not {len(learned.second_name.weights), len(learned.other.weights)} - {0, features}
        if not fits or self.lacking(learned.decision):
            raise UserError(f"{profile} doesn't fit its model; run `edge-site adapt` again.")
        self.decision = learned.decision
        self.home = None  # the profile's own cells have set the limits for this microscope

    def predict(self, crop: np.ndarray) -> Prediction:
        """See Model.predict. The probabilities are adjusted to the site."""
        prediction = super().predict(crop)
        learned = self.site.profile
        return replace(prediction, kinds=learned.adjusted(prediction)) if learned else prediction


def open_model(path: Path | None, threads: int, site: str | None) -> Model:
    """Like edge.model.open_model, with a site's profile if there is one. Raises UserError where one can't be used."""
    if not site:
        return models.open_model(path, threads)
    if path:
        try_out(path)
    return SiteModel(path or SHIPPED, threads, site)


def given(model: Model) -> KnownRuler | None:
    """The ruler of the model's site, if a person gave it in micrometres per pixel; else None."""
    ruler = model.site.ruler if isinstance(model, SiteModel) else None
    return ruler.known() if ruler and not ruler.pictures else None


def write(site: Site, path: str | Path) -> None:
    """Writes a profile file, whole or not at all. Raises UserError where it can't be written."""
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in site.document().items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    try:
        write_whole(Path(path), lambda part: part.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise UserError(f"Can't write {path}: {reason(error)}.") from error


def read(path: str | Path) -> Site:
    """Reads a profile file.

    Raises:
        UserError: where it isn't a whole profile of a known version, or learned from fewer than FEWEST cells of a name.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"The site profile {path} can't be read: {reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a site profile, or it is damaged; make one with `edge-site adapt`.") from error
    if not isinstance(document, dict) or "site_profile" not in document:
        raise UserError(f"{path} is not a site profile; make one with `edge-site adapt`.")
    if document["site_profile"] not in (VERSION, WITH_RULER):
        raise UserError(
            f"{path} is a site profile of version {document['site_profile']}; this program knows version {VERSION} "
            f"and {WITH_RULER}."
        )
    digest = document.pop("sha256", None)
    if _digest(document) != digest:
        raise UserError(f"{path} is damaged, or was changed by hand; make it again with `edge-site`.")
    try:
        site = _site(document)
    except ValueError as error:
        raise UserError(f"{path} is an incomplete site profile; make it again with `edge-site`.") from error
    cells = site.profile.cells if site.profile else None
    few = {label: count for label, count in (cells or {}).items() if count < FEWEST}
    if few or (cells is not None and len(cells) < 2):
        counts = " and ".join(f"{count} {label} cells" for label, count in few.items()) or "cells of one class only"
        raise UserError(f"{path} was made from {counts}; at least {FEWEST} of each class are needed. Label more.")
    return site


def _site(document: dict[str, Any]) -> Site:
    """What is in a JSON object. Raises ValueError where something is missing or out of its range."""
    ruler: Ruler | None = None
    listed = document.get("history", [])
    if not isinstance(listed, list):
        raise ValueError("no list of events")
    history = tuple(contract.load(Event, each) for each in listed)
    if document["site_profile"] == WITH_RULER:
        ruler = contract.load(Ruler, document.get("ruler"))
        assert ruler
        if not ruler.low <= ruler.red_cell <= ruler.high:
            raise ValueError("a ruler outside of its interval")
        if document.keys() <= {"site_profile", "ruler", "history"}:
            return Site(None, ruler, history)
    profile: Profile = contract.load(Profile, document)
    if profile.decision.risks is None:
        raise ValueError("no thresholds")
    return Site(profile, ruler, history)


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _moved(share: float, offset: float) -> float:
    """A probability whose logit is moved by `offset`."""
    share = min(max(share, LEAST), 1 - LEAST)
    return 1 / (1 + math.exp(-(math.log(share / (1 - share)) + offset)))
