"""What is usual in runs at home: the measures of edge.unlike on groups of val cells."""

from collections.abc import Iterator, Sequence

import numpy as np

from convert.candidate import Candidate, Validation
from convert.model_file import Arrays
from edge import unlike
from edge.classify import Search, find_cells
from edge.contract import Home, Usual
from edge.decide import LEAST
from edge.frames import Unreadable
from edge.mahalanobis import Distance
from edge.model import Prediction
from edge.system.progress import Progress, silent
from edge.unlike import Look
from train.data.dataset import PATCH

_CELLS = 60  # cells of a group
_GROUPS = 40  # groups of each source
_LOOKED = 100  # val pictures of each source whose light, stain and focus are measured


def home(validation: Validation, candidate: Candidate, usual: Arrays, progress: Progress = silent) -> Home | None:
    """What is usual at home, for the contract; None if the candidate gives no features.

    Each group is a home run. It holds cells of one source, which is one microscope or one kind of microscope.

    Args:
        validation: the val split.
        candidate: the candidate, with its answers to the val split.
        usual: the arrays of edge.mahalanobis for this candidate.
        progress: see edge.system.progress.
    """
    if not usual:
        return None
    sources = np.array([each.source if each.kind != PATCH else "" for each in validation.examples])
    predictions = [Prediction(*each) for each in zip(candidate.val.kinds, candidate.val.features, strict=True)]
    runs = []
    for source in sorted(validation.at_home):
        looks = list(_looks(validation, source, progress))
        runs += groups([predictions[i] for i in np.flatnonzero(sources == source)], looks, Distance(usual))
    truth = validation.val.truth
    own = sorted(set(validation.source.kinds))
    return Home(
        spread(runs), slope(predictions, truth, [own.index(each) for each in validation.source.kinds[:2]], usual)
    )


def slope(predictions: Sequence[Prediction], truth: np.ndarray, names: Sequence[int], usual: Arrays) -> float:
    """By how much the network's logit of the second name grows with that of a linear discriminant analysis.

    Args:
        predictions: of the val cells.
        truth: their labels as indices, int [n]; 0 and 1 are the names.
        names: rows of the two names in usual["means"].
        usual: the arrays of edge.mahalanobis.
    """
    chosen = [each for each, label in zip(predictions, truth, strict=True) if label < 2]
    distance = Distance(usual)
    first, second = (distance.means[row] for row in names)
    points = np.stack([each.features for each in chosen]).astype(np.float64) @ distance.whiten
    discriminant = (points - (first + second) / 2) @ (second - first)
    kinds = np.clip(np.stack([each.kinds for each in chosen]).astype(np.float64), LEAST, 1)
    return round(float(np.polyfit(discriminant, np.log(kinds[:, 1] / kinds[:, 0]), 1)[0]), 4)


def groups(predictions: Sequence[Prediction], looks: Sequence[Look], distance: Distance) -> list[dict[str, float]]:
    """The measures of random groups of one source's cells. predictions, looks: of all its cells, in any order."""
    rng = np.random.default_rng(0)
    result = []
    for _ in range(_GROUPS):
        chosen = rng.permutation(len(predictions))[:_CELLS]
        seen = rng.permutation(len(looks))[: max(1, len(looks) // 3)]
        measures = unlike.measure([predictions[i] for i in chosen], [looks[i] for i in seen], distance)
        result.append(dict(measures.values))
    return result


def spread(runs: Sequence[dict[str, float]]) -> dict[str, Usual]:
    """Middle and spread of each measure over runs."""
    result = {}
    for name in dict.fromkeys(name for each in runs for name in each):
        values = [each[name] for each in runs if name in each]
        result[name] = Usual(round(float(np.mean(values)), 3), round(float(np.std(values)), 3))
    return result


def _looks(validation: Validation, source: str, progress: Progress) -> Iterator[Look]:
    """Looks at one cell of each of some val pictures of a source."""
    paths = dict.fromkeys(each.path for each in validation.examples if each.source == source and each.kind != PATCH)
    files = [str(validation.source.folder / path) for path in paths]
    files = files[:: -(-len(files) // _LOOKED)]
    for found in find_cells(files, validation.source.policy, Search(single=True), progress=progress):
        if isinstance(found, Unreadable):
            continue
        seen = unlike.look(found.picture, found.cells[0])
        if seen:
            yield seen
