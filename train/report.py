"""`train evaluate`: measures a finished run, and writes a page, a JSON file and a model card."""

import hashlib
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from edge import __version__
from edge.contract import document
from edge.decide import OTHER
from edge.errors import UserError, reason
from edge.system.paths import below
from edge.system.progress import Progress, silent
from train import run as runs
from train.data import crop_cache, dataset
from train.evaluation import cell_figures, evaluate, gradcam, intervals, model_card, page
from train.evaluation.page import CellPicture, Scores
from train.evaluation.results import Answer, EvaluatedData, Evaluation

WORST = 24  # the page shows at most this many mistakes
LOOKED_INTO = 6  # for each class, Grad-CAM is drawn for this many right answers and this many wrong ones


def report(
    run: Path,
    folder: Path | None = None,
    out: Path | None = None,
    split: str = "test",
    progress: Progress = silent,
) -> Evaluation:
    """Measures a run on one split, and writes evaluation.html, evaluation.json and evaluation.md.

    Args:
        run: the folder of a finished run.
        folder: the data folder; by default the one that the run was trained on.
        out: where the files are written; by default `run`.
        split: "test" or "val".
        progress: see edge.system.progress.

    Returns:
        What evaluation.json holds.

    Raises:
        UserError: if `run` isn't a run, if the data isn't the run's, if the split has no pictures, or if `out` can't be
            written.
    """
    trained, model = runs.read(run)
    names = [label for label in trained.labels if label != OTHER]
    if len(names) != 2:
        raise UserError(f"{run} tells {len(names)} classes apart; `train evaluate` can only measure two.")
    folder, out = folder or Path(trained.data.folder), out or run
    examples = dataset.only(runs.examples(run, trained, folder), split)
    if not examples:
        raise UserError(f"{folder} holds no pictures in its {split} split that {run} may be tested on.")
    write(out, {})  # if the folder can't be made, it fails now and not after the work
    examples = [e for e in examples if e.label != OTHER]  # `benchmark doubt` measures the others
    crops = crop_cache.crops(folder, examples, trained.size, trained.crop.policy, progress=progress)
    truth = dataset.targets(examples, names)
    probabilities = runs.predict(model, crops, len(trained.labels))
    if len(trained.labels) > 2:
        probabilities = evaluate.names_only(probabilities)
    cells, sources = intervals.clusters(examples), np.array([e.source for e in examples])
    answers = [_answer(example, each, names) for example, each in zip(examples, probabilities, strict=True)]
    wrong = mistakes(truth, probabilities)
    evaluation = Evaluation(
        version=__version__,
        command=shlex.join(["train", "evaluate", str(run), "--data", str(folder), "--out", str(out), "--split", split]),
        seed=cell_figures.SEED,
        resamples=intervals.RESAMPLES,
        split=split,
        network=trained.network,
        parameters=trained.parameters,
        labels=trained.labels,
        size=trained.size,
        crop=trained.crop,
        training=trained.settings | {"best_epoch": trained.best_epoch, "code_version": trained.version},
        keras_sha256=hashlib.sha256((run / "model.keras").read_bytes()).hexdigest(),
        data=EvaluatedData(counts=trained.data.counts, split_sha256=trained.data.split_sha256, folder=str(folder)),
        attributions=model_card.attributions(trained.data.counts, trained.network),
        figures=cell_figures.by_source(truth, probabilities, cells, sources, names),
        mistakes=tuple(answers[i] for i in wrong),
    )
    chosen = looked_into(truth, probabilities)
    heat = gradcam.heat(model, crops[chosen], probabilities[chosen].argmax(axis=1))
    groups = {name: (sources == name) | (name == "all") for name in evaluation.figures}
    html = page.page(
        evaluation,
        {name: Scores(truth[rows] == 1, probabilities[rows, 1]) for name, rows in groups.items()},
        [CellPicture(answers[i], crops[i]) for i in wrong[:WORST]],
        [] if heat is None else [CellPicture(answers[i], crops[i], each) for i, each in zip(chosen, heat, strict=True)],
        trained.stages,
    )
    write(
        out,
        {
            "evaluation.html": html,
            "evaluation.json": json.dumps(document(evaluation), indent=1, allow_nan=False) + "\n",
            "evaluation.md": model_card.evaluation_card(evaluation),
        },
    )
    return evaluation


def mistakes(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Indices of the pictures that get a wrong answer, int [k], the most confident first.

    Args:
        truth: class indices, int [n].
        probabilities: float [n, classes].
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != truth)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def looked_into(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Indices of the pictures whose Grad-CAM is drawn, int [k]; arguments as for `mistakes`.

    For each class these are LOOKED_INTO right answers, chosen at random, and as many of the worst mistakes.
    """
    rng = np.random.default_rng(cell_figures.SEED)
    wrong, right = mistakes(truth, probabilities), np.flatnonzero(probabilities.argmax(axis=1) == truth)
    chosen = []
    for i in range(probabilities.shape[1]):
        chosen.append(np.sort(rng.permutation(right[truth[right] == i])[:LOOKED_INTO]))
        chosen.append(wrong[truth[wrong] == i][:LOOKED_INTO])
    return np.concatenate(chosen)


def _answer(example: dataset.Example, probabilities: np.ndarray, labels: Sequence[str]) -> Answer:
    return Answer(
        path=example.path,
        source=example.source,
        truth=example.label,
        answer=labels[int(probabilities.argmax())],
        probability=float(probabilities.max()),
    )


def write(out: Path, files: Mapping[str, str | bytes]) -> None:
    """Writes all files or none.

    Each file is first written under a temporary name in the same folder. So a full disk leaves the old files unchanged.

    Args:
        out: the folder; made if it isn't there.
        files: contents by name.

    Raises:
        UserError: if they can't be written.
    """
    partial = {below(out, name): out / f"{name}.{os.getpid()}.partial" for name in files}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, content in zip(partial.values(), files.values(), strict=True):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        for target, path in partial.items():
            path.replace(target)
    except OSError as error:
        raise UserError(f"{out} can't be written: {reason(error)}; name another folder with --out.") from error
    finally:
        for path in partial.values():
            with suppress(OSError):  # for example if `out` is a file
                path.unlink(missing_ok=True)
