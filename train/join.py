"""Joins trained networks into one graph that gives their common answer.

Some see a cell by its red cells' size, with its stain normalised; others see every nucleus equally large, with its
stain as it is. They make different mistakes on a microscope that none has seen.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from edge.crop import PAIR
from edge.errors import UserError
from edge.system.progress import Progress, silent
from train import experiment, run
from train.loop import Stage, StageResult
from train.networks import FEATURES, SIDES
from train.settings import Settings

# How much the networks of each crop count together. Mean balanced accuracy over pbc or raabin, the tight crops, bccd,
# chula_rpi and krd_wbc, of networks that learned from the other of the first two and from the fields: one network of
# "normalised" 0.868, two seeds of it 0.869, and with 0.15 and 0.3 for "nucleus" 0.876 and 0.872; see
# docs/figures/unseen.md.
_WEIGHTS = {"normalised": 0.85, "nucleus": 0.15}


def join(folder: Path, out: Path, runs: Sequence[Path], progress: Progress = silent) -> run.Report:
    """Joins finished runs, and writes the folder of a run with the joined network.

    Args:
        folder: the data folder that all runs learned from.
        out: the new run's folder.
        runs: finished runs of one size, with the same kinds and pictures of cells; camera fields may be learned from by
            some of them only. Each has one of the crops of edge.crop.PAIR, and both occur.
        progress: see edge.system.progress.

    Returns:
        The new run's report.

    Raises:
        UserError: for runs that don't fit together, and as train.experiment.training_data does.
    """
    read = [run.read(each) for each in runs]
    reports = [report for report, _ in read]
    first = max(reports, key=lambda report: len(report.data.counts))  # those that learned from fields name more sources
    for path, report in zip(runs, reports, strict=True):
        alike = (report.size, report.kinds) == (first.size, first.kinds)
        if not alike or not report.data.counts.items() <= first.data.counts.items():
            raise UserError(f"{path} differs from the others in size, kinds of cells or data; join runs that don't.")
    if {report.crop.policy for report in reports} != set(PAIR):
        raise UserError(f"Joined runs need the crops {' and '.join(PAIR)}; train with --crop, once with each.")
    known = {name: value for name, value in first.settings.items() if name in Settings.__dataclass_fields__}
    settings = replace(Settings(**known), policy="pair")
    job = experiment.Job(folder, out, settings, progress=progress)
    experiment.prepare(job)
    data = experiment.training_data(job)
    model = joined([model for _, model in read], [report.crop.policy for report in reports], first.size)
    stage = Stage("join", settings.epochs, 0, settings.rate)
    history = {name: list(values) for name, values in first.history.items()}
    done = StageResult(runs[0] / "model.keras", first.best_epoch, history, all(each.finished for each in reports))
    seconds = sum(each.seconds for each in reports)
    more = {name: value for name, value in first.settings.items() if name not in known and name != "views"} | {
        "joined": [{name: each.settings.get(name) for name in ("policy", "seed", "fields")} for each in reports]
    }
    return experiment.finish(job, model, data, experiment.Stages([(stage, done)], seconds), more)


def joined(models: Sequence[keras.Model], policies: Sequence[str], size: int) -> keras.Model:
    """One network with the weighted mean of the logits of several, which is a geometric mean of their probabilities.

    Args:
        models: networks of train.networks.compact, from [batch, size, size, 3] to the same classes.
        policies: for each network, the crop that it takes, one of edge.crop.PAIR.
        size: width and height of one crop in pixels.

    Returns:
        A network from [batch, size, 2 * size, 3] to probabilities. Its FEATURES are those of all networks in a row.
    """
    layers = keras.layers
    inputs = keras.Input((size, 2 * size, 3))
    sides = dict(zip(PAIR, SIDES, strict=True))
    halves = {
        PAIR[0]: layers.Cropping2D(((0, 0), (0, size)), name=SIDES[0])(inputs),
        PAIR[1]: layers.Cropping2D(((0, 0), (size, 0)), name=SIDES[1])(inputs),
    }
    features, kernels, biases = [], [], []
    for number, (model, policy) in enumerate(zip(models, policies, strict=True)):
        body = keras.Model(model.inputs[0], model.get_layer(FEATURES).output)
        features.append(_copy(body, halves[policy], f"{sides[policy]}{number + 1}_"))
        kernel, bias = model.layers[-1].get_weights()
        share = _WEIGHTS[policy] / policies.count(policy)  # the networks of one crop count together as a single one
        kernels.append(share * kernel)
        biases.append(share * bias)
    classes = len(biases[0])
    x = layers.Concatenate(name=FEATURES)(features)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="head_answer")(x)
    result = keras.Model(inputs, outputs, name=models[0].name)
    result.layers[-1].set_weights([np.concatenate(kernels), np.sum(biases, axis=0)])
    return result


def _copy(model: keras.Model, inputs: keras.KerasTensor, prefix: str) -> keras.KerasTensor:
    """The output of a copy of a network, whose layers get names of their own, for other inputs."""
    copies: list[tuple[keras.Layer, keras.Layer]] = []

    def renamed(layer: keras.Layer) -> keras.Layer:
        copies.append((layer, type(layer).from_config(layer.get_config() | {"name": prefix + layer.name})))
        return copies[-1][1]

    # What keras.models.clone_model does, which can't continue the graph of another model.
    output = model._run_through_graph(inputs, operation_fn=renamed)
    for layer, copy in copies:
        copy.set_weights(layer.get_weights())
    return output
