"""What `train evaluate` finds out about a run: the content of evaluation.json."""

from dataclasses import dataclass
from typing import Any

from edge.contract import Crop, Data
from edge.decide import OTHER
from train.evaluation.cell_figures import CellFigures


@dataclass(frozen=True)
class Answer:
    """The answer to one picture.

    Attributes:
        path: of the picture, relative to the data set's folder.
        source: where it comes from.
        truth: its label.
        answer: the label that the network gave it.
        probability: probability of that answer, 0 to 1.
    """

    path: str
    source: str
    truth: str
    answer: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class EvaluatedData(Data):
    """The data of a run.

    Attributes:
        folder: the data folder at the time of the evaluation.
    """

    folder: str


@dataclass(frozen=True)
class Evaluation:
    """One network, measured on one split.

    Attributes:
        version: of this package.
        command: command line that repeats the evaluation.
        seed: seed of the bootstrap and of the random choice of right answers.
        resamples: draws of the bootstrap.
        split: "test" or "val".
        network: its name, such as "compact".
        parameters: how many weights it has.
        labels: what its answers can be.
        size: width and height of its input, in pixels.
        crop: how its crops are made.
        training: settings of the training run.
        keras_sha256: hash of the Keras file.
        data: what it was trained and measured on.
        attributions: by source, whom to credit for the pictures.
        figures: figures of all pictures, under "all", and of each source.
        mistakes: wrong answers, the most confident first.
    """

    version: str
    command: str
    seed: int
    resamples: int
    split: str
    network: str
    parameters: int
    labels: tuple[str, ...]
    size: int
    crop: Crop
    training: dict[str, Any]
    keras_sha256: str
    data: EvaluatedData
    attributions: dict[str, str]
    figures: dict[str, CellFigures]
    mistakes: tuple[Answer, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The labels without OTHER."""
        return tuple(label for label in self.labels if label != OTHER)
