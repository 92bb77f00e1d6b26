"""The int8 candidate that comes nearest to the float model, and its repair if it fails the gate."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from convert import activation_ranges, bias_correction, fallbacks, layer_errors, qat, quantize, representative
from convert.candidate import Candidate, Validation
from convert.report import Attempt, Compared, ComparedCalibration, Conversion
from edge.system.progress import Progress, silent
from train.data import dataset

logger = logging.getLogger(__name__)
AUTO = "auto"  # the method whose answers come nearest to the float model's


@dataclass(frozen=True)
class Int8Options:
    """How an int8 file is made.

    Attributes:
        calibration: number of training pictures by which ranges are chosen.
        method: how ranges are chosen, one of activation_ranges.METHODS, or AUTO for what comes nearest on val.
        rescue: whether a file that fails the gate is repaired.
    """

    calibration: int = representative.COUNT
    method: str = AUTO
    rescue: bool = False


def converted(validation: Validation, options: Int8Options, progress: Progress = silent) -> Conversion:
    """Converts the source to int8.

    Each method chooses ranges and so makes a candidate. Correcting the last bias of the nearest candidate makes one
    more. Of all, the nearest to the float model is taken. With options.rescue, operators that int8 doesn't know stay in
    float, and a candidate that fails is repaired.

    Raises:
        UserError: if the model can't be converted, or without options.rescue if int8 doesn't know all its operators.
    """
    source = validation.source
    examples, pictures = validation.training(options.calibration)
    logger.info("Calibrating on %d training pictures", len(examples))
    methods = activation_ranges.METHODS if options.method == AUTO else (options.method,)
    ranged = activation_ranges.narrowed(quantize.calibrate(source.model, pictures), pictures, methods)
    graphs = {method: quantize.integer(calibrated) for method, calibrated in ranged.items()}
    if not options.rescue:
        for graph in graphs.values():
            quantize.checked(graph, "int8")
    candidates = validation.candidates(graphs)
    method = chosen = _nearest(candidates)
    corrected = bias_correction.corrected(source.model, pictures, candidates[method].answers(pictures))
    if corrected is not None:
        name = f"{method}, bias corrected"
        calibrated = quantize.calibrate(corrected, pictures)
        ranged[name] = activation_ranges.narrowed(calibrated, pictures, (method,))[method]
        candidates |= validation.candidates({name: quantize.integer(ranged[name])})
        chosen = _nearest(candidates)
    some = pictures[:: -(-len(pictures) // layer_errors.PICTURES)]
    result = Conversion(
        candidates[chosen],
        ComparedCalibration(len(examples), chosen, dataset.list_hash(examples), _compared(candidates)),
        tuple(layer_errors.errors(ranged[chosen], some, source.layers())),
    )
    if result.candidate.passed:
        if result.candidate.kind == "int8":
            return result
        names = ", ".join(quantize.floating(result.candidate.graph))
        return replace(result, repaired=f"{names} kept in float, which can't be computed in int8")
    if not options.rescue:
        return result
    return _repaired(validation, result, fallbacks.Calibrated(ranged[chosen], method, pictures), progress)


def _nearest(candidates: Mapping[str, Candidate]) -> str:
    """The candidate whose probabilities on val lie nearest to the float model's; if any passes, only these count."""
    return min(candidates, key=lambda name: (not candidates[name].passed, float(candidates[name].difference.mean())))


def _compared(candidates: Mapping[str, Candidate]) -> dict[str, Compared]:
    return {
        name: Compared(float(each.difference.mean()), each.verdict.after["all"].balanced_accuracy, each.passed)
        for name, each in candidates.items()
    }


def _repaired(
    validation: Validation, failed: Conversion, calibrated: fallbacks.Calibrated, progress: Progress
) -> Conversion:
    """The conversion with the first fallback that passes, if one does."""

    def training() -> np.ndarray:
        return validation.training(qat.PICTURES)[1]

    attempts = []
    for fallback in fallbacks.fallbacks(validation.source.model, calibrated, failed.layers, training, progress):
        if fallback.skipped:
            attempts.append(Attempt(fallback.what, skipped=fallback.skipped))
            continue
        candidate = validation.candidates({fallback.what: fallback.graph})[fallback.what]
        attempts.append(
            Attempt(
                what=fallback.what,
                kind=candidate.kind,
                bytes=candidate.size,
                milliseconds=candidate.milliseconds.after,
                lost=candidate.verdict.lost,
                passed=candidate.passed,
            )
        )
        if candidate.passed:
            return replace(
                failed,
                candidate=candidate,
                attempts=tuple(attempts),
                repaired=fallback.what,
                failed=failed.candidate,
            )
    return replace(failed, attempts=tuple(attempts))
