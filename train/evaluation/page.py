"""An evaluation as one self-contained HTML page: it has no scripts, and refers to nothing outside the file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np

from edge.output.tables import Table
from train.evaluation import html, model_card, plots
from train.evaluation.cell_figures import CellFigures, class_rows, summary_table
from train.evaluation.results import Answer, Evaluation


@dataclass(frozen=True)
class CellPicture:
    """One cell and how it is answered.

    Attributes:
        answer: the answer and the truth.
        crop: what the network saw, RGB uint8 [size, size, 3].
        heat: where the network looked, float [size, size], 0 to 1; None if it isn't shown.
    """

    answer: Answer
    crop: np.ndarray
    heat: np.ndarray | None = None

    @property
    def overlay(self) -> np.ndarray:
        """The heat over the crop, uint8 [size, size, 3]: where the heat is 0, the crop shows unchanged."""
        assert self.heat is not None
        opacity = 0.7 * self.heat[..., None]
        colours = mpl.colormaps["turbo"](self.heat)[..., :3] * 255
        return (self.crop * (1 - opacity) + colours * opacity).round().astype(np.uint8)


@dataclass(frozen=True)
class Scores:
    """The probabilities from which the curves of one set of pictures are drawn.

    Attributes:
        positive: whether each picture is of the second class, bool [n].
        score: its probability of that class, float [n].
    """

    positive: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class _Section:
    """The section of the page on one source.

    Attributes:
        name: the source, or "all".
        sentence: which class the errors favour; "" if the page says it already.
        classes: recall, precision and F1 of each class.
        confusion: counts of answers by true class.
        drawings: SVG text and description of each drawing.
    """

    name: str
    sentence: str
    classes: Table
    confusion: Table
    drawings: list[tuple[str, str]]


def page(
    evaluation: Evaluation,
    scores: Mapping[str, Scores],
    worst: Sequence[CellPicture],
    heat: Sequence[CellPicture],
    stages: Sequence[Mapping[str, Any]] = (),
) -> str:
    """An evaluation as HTML.

    Args:
        evaluation: its figures.
        scores: scores by the names in `evaluation.figures`.
        worst: the worst mistakes.
        heat: cells with their heat; none if the network has no convolution.
        stages: how it was trained, as in train.run.Report.
    """
    figures = evaluation.figures
    shown = figures if len(figures) > 2 else {"all": figures["all"]}  # with a single source, "all" is the same
    return html.render(
        "train.evaluation",
        "evaluation.html",
        evaluation=evaluation,
        purpose=model_card.purpose(evaluation.labels),
        chosen_on_val=model_card.CHOSEN_ON_VAL,
        summary=summary_table(figures),
        intervals=model_card.INTERVALS,
        sections=[_section(name, each, evaluation.names, scores[name]) for name, each in shown.items()],
        worst=worst,
        heat_groups=_groups(heat, evaluation.names),
        curves=[(plots.svg(plots.learning_curves(stages)), "loss and accuracy after each epoch")] if stages else [],
        limits=model_card.limits(evaluation.labels),
        facts=_facts(evaluation),
    )


def _section(name: str, figures: CellFigures, labels: Sequence[str], scores: Scores) -> _Section:
    drawings = [
        (plots.svg(plots.confusion(figures.confusion, labels)), f"{name}: confusion table"),
        (plots.reliability(figures.calibration), f"{name}: reliability diagram"),
    ]
    if figures.auroc is not None:  # both classes are there
        curves = {"ROC curve": plots.roc, "precision and recall curve": plots.precision_recall}
        drawings[1:1] = [
            *((draw(scores.positive, scores.score, labels[-1]), f"{name}: {what}") for what, draw in curves.items()),
        ]
    confusion = [
        [label, *(f"{count:,}" for count in row)] for label, row in zip(labels, figures.confusion, strict=True)
    ]
    return _Section(
        name,
        "" if name == "all" else figures.bias.sentence,
        Table(["class", "recall", "precision", "F1"], class_rows(figures)),
        Table(["truth", *(f"called {label}" for label in labels)], confusion),
        drawings,
    )


def _groups(heat: Sequence[CellPicture], labels: Sequence[str]) -> list[tuple[str, list[CellPicture]]]:
    """Headings with the right and the wrong answers of each class; none if there is no heat at all."""
    return [
        (
            f"{label.capitalize()}s, {'right' if right else 'wrong'} answers",
            [each for each in heat if each.answer.truth == label and (each.answer.answer == label) == right],
        )
        for label in labels
        for right in (True, False)
        if heat
    ]


def _facts(evaluation: Evaluation) -> Table:
    training, data, crop = evaluation.training, evaluation.data, evaluation.crop
    return Table(
        ["what", "value"],
        [
            ["command", evaluation.command],
            ["version", f"edge-classify {evaluation.version}; trained by {training['code_version']}"],
            [
                "network",
                f"{evaluation.network}, {evaluation.parameters:,} parameters, {evaluation.size} pixels wide",
            ],
            ["crop", f"{crop.policy}, version {crop.version}"],
            ["training", ", ".join(f"{name} {value}" for name, value in training.items())],
            ["sha256 of the Keras model", evaluation.keras_sha256],
            ["data", data.folder],
            ["sha256 of its splits", data.split_sha256],
            ["seed of the bootstrap and of the random choice", str(evaluation.seed)],
        ],
    )
