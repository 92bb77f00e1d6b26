"""Cells that are held out: no profile ever learns from them, so that they show how accurate it is, also over time.

A hash of each cell's identity decides which these are. So it stays the same as a session grows, in a copy of it, and
when a profile is made again.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from edge.model import Model
from edge.share import Share
from edge.site.adapt import alone, answers
from edge.site.figures import SiteFigures, figures, recalls
from edge.site.labelled import Cells
from edge.site.profile import FEWEST, Profile

SHARE = 0.2  # of the cells that persons judged in sessions


@dataclass(frozen=True)
class HeldOut:
    """How well held-out cells are answered.

    Attributes:
        before: figures of the model alone.
        after: figures of the model with the profile.
        recall: by label, the share of the cells that are found with the profile.
    """

    before: SiteFigures
    after: SiteFigures
    recall: dict[str, Share]


def is_held(identity: str) -> bool:
    """Whether a cell is held out. identity: what stays the same of this cell, and is different for others.

    >>> is_held("cell 15"), is_held("cell 16")
    (False, True)
    """
    return int(hashlib.sha256(identity.encode()).hexdigest()[:8], 16) < SHARE * 16**8


def measured(cells: Cells, held: np.ndarray, model: Model, profile: Profile) -> HeldOut | None:
    """How well the held-out cells are answered; None where there are fewer than FEWEST of one of the two names.

    Args:
        cells: n pictures.
        held: which of them are held out, bool [n].
        model: a model without a profile.
        profile: made without them.
    """
    out = cells.at(held)
    if min(out.count(0), out.count(1)) < FEWEST:
        return None
    own = [decision for decision, each in zip(alone(cells, model), held, strict=True) if each]
    after = answers(out, model, profile)
    before, now = (figures(each, out.truth, model.labels) for each in (own, after))
    return HeldOut(before, now, recalls(after, out.truth, out.physical, model.labels))
