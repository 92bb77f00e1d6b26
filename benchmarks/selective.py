"""Measures selective classification: at stated risks, on cells of other types, and on unknown microscopes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks import held_out
from edge import unlike
from edge.contract import Selective
from edge.decide import OTHER, RISK, Rules, decide
from edge.errors import UserError
from edge.model import Model, Prediction
from edge.output.tables import Table
from edge.share import Share, share
from edge.system.progress import Progress, silent
from train.data import dataset
from train.evaluation import calibration, evaluate, selective

HOME = "all its own"  # the key of figures on all sources together that the model was trained on


@dataclass(frozen=True)
class CalibrationErrors:
    """Expected calibration errors, each 0 to 1.

    Attributes:
        names: error of the probabilities of lymphocyte against monocyte, over cells of these two labels.
        answers: error of the probabilities of all labels, over all cells.
    """

    names: float
    answers: float


@dataclass(frozen=True)
class SourceFigures:
    """The figures of one source, or of all sources together that the model was trained on.

    A cell "has a name" if it is a lymphocyte or a monocyte; all others are *other* cells.

    Attributes:
        risks: coverage and risk, by stated risk such as "0.01".
        plain: the same if every cell is given its likeliest label, without review.
        ece: calibration errors.
        named: share of the cells that are wrongly called lymphocyte or monocyte at the usual stated risk, by type of
            *other* cell.
        auroc: area under the ROC curve of *other* cells against cells with a name, 0 to 1; None unless both occur.
        run: the figures at the usual stated risk if each source's cells are judged as a run; None if the model file
            doesn't say what is usual at home.
    """

    risks: dict[str, Selective]
    plain: Selective
    ece: CalibrationErrors
    named: dict[str, Share]
    auroc: float | None = None
    run: "RunFigures | None" = None


@dataclass(frozen=True)
class RunFigures:
    """The cells of one source as one run; see edge.unlike.

    Attributes:
        unlike: how unlike home the run is; of several sources, the largest.
        moved: what was added to the logit of the second name (monocyte) against the first, 0 for nothing; of several
            sources, the largest.
        risk: coverage and risk.
    """

    unlike: float
    moved: float
    risk: Selective


@dataclass(frozen=True)
class ModelFigures:
    """One model.

    Attributes:
        kind: how the model is quantized.
        learned: sources that it was trained on.
        sha256: hash of the model file.
        missed: number of labelled cells in camera fields that the locator did not find, by source.
        sources: figures by source, and under HOME for the single cells of all sources that it was trained on.
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
        models: figures by the path of the file.
    """

    models: dict[str, ModelFigures]


def measure(folder: Path, files: Sequence[Path], progress: Progress = silent) -> SelectiveFigures:
    """Measures models that have the label *other*.

    The pictures are the test split of every source, with all types of cells and empty places, and the labelled cells of
    marked camera fields.

    Args:
        folder: a data set.
        files: model files.
        progress: see edge.system.progress.

    Raises:
        UserError: for a model without the label *other*, and for a data set that can't be used.
    """
    if not files:
        raise UserError("Nothing to measure: name model files.")
    return SelectiveFigures({str(file): _model_figures(folder, Model(file), file, progress) for file in files})


def learned_sources(model: Model) -> list[str]:
    """The sources whose lymphocytes or monocytes a model was trained on, according to its contract."""
    return list(dataset.learned(model.contract.data.counts if model.contract.data else {}))


def _model_figures(folder: Path, model: Model, file: Path, progress: Progress) -> ModelFigures:
    if model.labels != (*dataset.LABELS, OTHER) or not model.risks:
        raise UserError(f"{file} knows no {OTHER} cells; train a network with --other kinds, and convert it.")
    cells = held_out.read(folder, model, progress)
    truth, types, sources = cells.truth, cells.types, cells.sources
    learned = learned_sources(model)
    runs = {
        name: _as_run(cells.at(sources == name), types[sources == name], model)
        for name in dict.fromkeys(sources.tolist())
    }
    groups = {name: sources == name for name in dict.fromkeys(sources.tolist())}
    if len(learned) > 1:
        single = np.arange(len(sources)) < cells.singles  # the few cells of camera fields have rows of their own
        groups = {HOME: np.isin(sources, learned) & single} | groups
    return ModelFigures(
        kind=model.contract.quantization.kind,
        learned=tuple(learned),
        sha256=model.sha256,
        missed=cells.missed,
        sources={
            name: replace(
                _source_figures(truth[rows], types[rows], cells.at(rows), model),
                run=_run_figures(truth, sources, learned if name == HOME else [name], runs, model),
            )
            for name, rows in groups.items()
        },
    )


@dataclass(frozen=True)
class _Run:
    """The answers to the cells of one source, judged as a run."""

    unlike: float
    moved: float
    labels: list[str]


def _as_run(predictions: Sequence[Prediction], types: np.ndarray, model: Model) -> _Run:
    """Answers cells as `edge-classify` does if they are one run. Empty places don't count as cells of the run."""
    cells = [each for each, kind in zip(predictions, types, strict=True) if kind != dataset.PATCH]
    run = unlike.compare(unlike.measure(cells, [], model.distance), model.home, model.kinds)
    rules = unlike.held_to_more(model.rules(RISK), run)
    labels = [decide(unlike.moved(each.kinds, run), rules, distance=each.distance).label for each in predictions]
    return _Run(run.value, run.moves.get(model.labels[1], 0.0) - run.moves.get(model.labels[0], 0.0), labels)


def _run_figures(
    truth: np.ndarray, sources: np.ndarray, names: Sequence[str], runs: dict[str, _Run], model: Model
) -> RunFigures | None:
    """The figures of some sources together, each of which was judged as a run."""
    if model.home is None:
        return None
    chosen = [runs[name] for name in names if name in runs]
    expected = np.concatenate([truth[sources == name] for name in names if name in runs])
    return RunFigures(
        unlike=max(each.unlike for each in chosen),
        moved=max((each.moved for each in chosen), key=abs),
        risk=selective.figures(expected, [label for each in chosen for label in each.labels], model.labels),
    )


def _source_figures(
    truth: np.ndarray, types: np.ndarray, predictions: Sequence[Prediction], model: Model
) -> SourceFigures:
    """The figures of some cells.

    Args:
        truth: true labels, as indices into the model's labels, int [n].
        types: types of the cells as the data set names them, str [n].
        predictions: the n predictions.
        model: the model that made the predictions.
    """

    def answers(rules: Rules, shift: float = 0.0) -> list[str]:
        return [decide(each.kinds, rules, shift, each.distance).label for each in predictions]

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
    rows, named, plain, runs = [], [], [], []
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
            plain.append([model, where, str(figures.plain.risk), str(figures.plain.named)])
            if each_run := figures.run:
                found = [f"{each_run.unlike:.2f}", f"{each_run.moved:+.2f}", str(each_run.risk.coverage)]
                runs.append([model, where, *found, str(each_run.risk.risk), str(each_run.risk.named)])
    heads = [f"answered at {RISK:.0%}", "wrong of these", "ECE, names", "ECE, answers", "other against names, AUROC"]
    tables = [
        Table(["model", "measured on", *heads], rows),
        Table(["model", "measured on", f"given a name at {RISK:.0%}"], named),
        Table(["model", "without review, measured on", "names that got another answer", "others named"], plain),
    ]
    if runs:
        heads = ["unlike home", "monocyte moved", f"answered at {RISK:.0%}", "wrong of these", "others named"]
        tables.append(Table(["model", "measured as a run", *heads], runs))
    return "\n\n".join(each.markdown() for each in tables)
