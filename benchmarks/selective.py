"""When a model's answer can be trusted: stated risks, cells of other types, and microscopes that it has never seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from edge.contract import Selective
from edge.decide import OTHER, RISK, Rules, decide
from edge.errors import UserError
from edge.model import Model, Prediction
from edge.output.tables import Table
from edge.share import Share, share
from edge.system.progress import Progress, silent
from train.data import crop_cache, dataset, field_cells
from train.evaluation import calibration, evaluate, selective

HOME = "all its own"


@dataclass(frozen=True)
class CalibrationErrors:
    """Expected calibration errors, each 0 to 1.

    Attributes:
        names: of how sure the names are among themselves, over cells that have a name.
        answers: of all answers.
    """

    names: float
    answers: float


@dataclass(frozen=True)
class SourceFigures:
    """One source, or all sources that a model learned from together.

    Attributes:
        risks: selective classification by stated risk, such as "0.01".
        plain: the same where every cell gets the likeliest label.
        ece: calibration errors.
        named: share of the cells of each other type that gets a name at the usual stated risk.
        auroc: of other cells against cells that have a name, 0 to 1; None where only one of the two is there.
    """

    risks: dict[str, Selective]
    plain: Selective
    ece: CalibrationErrors
    named: dict[str, Share]
    auroc: float | None = None


@dataclass(frozen=True)
class ModelFigures:
    """One model.

    Attributes:
        kind: how it is quantized.
        learned: sources that it learned from.
        sha256: of its file.
        missed: labelled cells of camera fields that the locator did not find, by source.
        sources: by source, and under HOME all that the model learned from.
    """

    kind: str
    learned: tuple[str, ...]
    sha256: str
    missed: dict[str, int]
    sources: dict[str, SourceFigures]


@dataclass(frozen=True)
class SelectiveFigures:
    """All figures of `benchmark doubt`.

    Attributes:
        models: by the path of the file.
    """

    models: dict[str, ModelFigures]


def measure(folder: Path, files: Sequence[Path], progress: Progress = silent) -> SelectiveFigures:
    """Measures models that know *other* on the test split of every source, all types of cells and empty places, and on
    the labelled cells of marked camera fields.

    Args:
        folder: a data set.
        files: models.
        progress: see edge.system.progress.

    Raises:
        UserError: for a model that doesn't know *other*, and for a data set that can't be used.
    """
    if not files:
        raise UserError("Nothing to measure: name model files.")
    return SelectiveFigures({str(file): _model_figures(folder, Model(file), file, progress) for file in files})


def learned_sources(model: Model) -> list[str]:
    """The sources that a model learned from, as its contract says."""
    only = (model.contract.training or {}).get("source")
    return [only] if only else sorted(model.contract.data.counts if model.contract.data else ())


def _model_figures(folder: Path, model: Model, file: Path, progress: Progress) -> ModelFigures:
    if model.labels != (*dataset.LABELS, OTHER) or not model.risks:
        raise UserError(f"{file} knows no {OTHER}; train with --other kinds, and convert.")
    examples = dataset.only(dataset.read(folder, model.labels), "test")
    in_fields = field_cells.read(folder, model.size, model.policy, model.labels, progress=progress)
    crops = [crop_cache.crops(folder, examples, model.size, model.policy, progress=progress), in_fields.crops]
    truth = np.concatenate([dataset.targets(examples, model.labels), in_fields.truth])
    types = np.array([e.kind for e in examples] + in_fields.kinds)
    sources = np.array([e.source for e in examples] + in_fields.sources)
    predictions = [model.predict(crop) for each in crops for crop in each]
    learned = learned_sources(model)
    groups = {name: sources == name for name in dict.fromkeys(sources.tolist())}
    if len(learned) > 1:
        groups = {HOME: np.isin(sources, learned)} | groups
    return ModelFigures(
        kind=model.contract.quantization.kind,
        learned=tuple(learned),
        sha256=model.sha256,
        missed=in_fields.missed,
        sources={
            name: _source_figures(truth[rows], types[rows], [predictions[i] for i in np.flatnonzero(rows)], model)
            for name, rows in groups.items()
        },
    )


def _source_figures(
    truth: np.ndarray, types: np.ndarray, predictions: Sequence[Prediction], model: Model
) -> SourceFigures:
    """The figures of some cells.

    Args:
        truth: numbers among the model's labels, int [n].
        types: of the cells, as the data set names them, str [n].
        predictions: n of them.
        model: that made them.
    """

    def answers(rules: Rules) -> list[str]:
        return [decide(each.kinds, rules, distance=each.distance).label for each in predictions]

    plain = [decide(each.kinds, model.rules(None)).probabilities for each in predictions]
    shares = np.array([[each[label] for label in model.labels] for each in plain])
    last = len(model.labels) - 1
    has_name = truth < last
    given_name = np.isin(answers(model.rules(RISK)), dataset.LABELS)
    return SourceFigures(
        risks={f"{risk:g}": selective.figures(truth, answers(model.rules(risk)), model.labels) for risk in model.risks},
        plain=selective.figures(truth, answers(model.rules(None)), model.labels),
        ece=CalibrationErrors(
            names=calibration.calibration(truth[has_name], evaluate.names_only(shares[has_name])).ece,
            answers=calibration.calibration(truth, shares).ece,
        ),
        named={
            str(each): share(given_name[types == each].sum(), (types == each).sum())
            for each in sorted(set(types[~has_name]))
        },
        auroc=float(roc_auc_score(~has_name, shares[:, last])) if 0 < has_name.sum() < len(has_name) else None,
    )


def table(result: SelectiveFigures) -> str:
    """The result as Markdown tables."""
    rows, named = [], []
    for each in result.models.values():
        model = f"{each.kind}, {' + '.join(each.learned)}"
        for source, figures in each.sources.items():
            where = f"{source}{' (its own)' if source in each.learned else ''}"
            usual = figures.risks[f"{RISK:g}"]
            auroc = "-" if figures.auroc is None else f"{figures.auroc:.3f}"
            errors = [f"{figures.ece.names:.3f}", f"{figures.ece.answers:.3f}"]
            rows.append([model, where, str(usual.coverage), str(usual.risk), *errors, auroc])
            types = "; ".join(f"{name} {share.right}/{share.count}" for name, share in figures.named.items())
            named.append([model, where, types])
    heads = [f"answered at {RISK:.0%}", "wrong of these", "ECE, names", "ECE, answers", "other against names, AUROC"]
    tables = (
        Table(["model", "measured on", *heads], rows),
        Table(["model", "measured on", f"given a name at {RISK:.0%}"], named),
    )
    return "\n\n".join(each.markdown() for each in tables)
