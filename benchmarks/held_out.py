"""The labelled cells that no classifier learned from, with a model's predictions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.model import Model, Prediction
from edge.system.progress import Progress, silent
from train.data import crop_cache, dataset, field_cells
from train.evaluation import intervals


@dataclass(frozen=True)
class HeldOut:
    """The n cells of a test split, with places without a white cell, and of marked camera fields after them.

    Attributes:
        predictions: n predictions.
        truth: true labels, as indices into the model's labels, int [n].
        types: types of the cells as the data set names them, str [n]; dataset.PATCH for places without a white cell.
        sources: names of data sets, str [n].
        physical: number of the physical cell in each picture, int [n].
        singles: so many of the first are pictures of single cells; the others lie in camera fields.
        missed: by source, how many labelled cells of camera fields the locator did not find.
    """

    predictions: list[Prediction]
    truth: np.ndarray
    types: np.ndarray
    sources: np.ndarray
    physical: np.ndarray
    singles: int
    missed: dict[str, int]

    def at(self, rows: np.ndarray) -> list[Prediction]:
        """Some of the predictions. rows: bool [n], or numbers of cells."""
        return [self.predictions[i] for i in np.arange(len(self.predictions))[rows]]


def read(folder: Path, model: Model, progress: Progress = silent) -> HeldOut:
    """The cells of a data set. If the model learned from camera fields, only the other half of these is read.

    Raises:
        UserError: for a data set that can't be used.
    """
    test = dataset.only(dataset.read(folder, model.labels), "test")
    crops = crop_cache.crops(folder, test, model.size, model.policy, progress=progress)
    half = model.contract.learned_fields
    fields = field_cells.read(folder, model.size, model.policy, model.labels, progress=progress, half=half)
    in_fields = np.unique(fields.cells, return_inverse=True)[1]
    return HeldOut(
        predictions=[model.predict(crop) for each in (crops, fields.crops) for crop in each],
        truth=np.concatenate([dataset.targets(test, model.labels), fields.truth]),
        types=np.array([e.kind or e.label for e in test] + fields.kinds),
        sources=np.array([e.source for e in test] + fields.sources),
        physical=np.concatenate([intervals.clusters(test), len(test) + in_fields]),
        singles=len(test),
        missed=fields.missed,
    )
