"""Makes several int8 candidates and chooses the best one: of those that pass the gate, the nearest to the float model.

If none passes, the nearest of all is repaired.
"""

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
AUTO = "auto"  # try all methods, and take the one with the answers nearest to the float model's


@dataclass(frozen=True)
class Int8Options:
    """How an int8 file is made.

    Attributes:
        calibration: number of training pictures from which ranges of values are chosen.
        method: how ranges are chosen: one of activation_ranges.METHODS, or AUTO for the best of them on the val split.
        rescue: whether to try to repair a file that fails the gate.
    """

    calibration: int = representative.COUNT
    method: str = AUTO
    rescue: bool = False


def converted(validation: Validation, options: Int8Options, progress: Progress = silent) -> Conversion:
    """Converts the model to int8.

    Each method of choosing ranges gives one candidate. The last bias of the nearest candidate is then corrected, which
    gives one more. The candidate nearest to the float model is chosen from those that pass the gate, or from all if
    none passes. With options.rescue, operators that can't be computed in int8 stay in float, and a candidate that fails
    the gate is repaired if possible.

    Raises:
        UserError: if the model can't be converted; without options.rescue also if an operator can't be computed in
            int8.
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
        return replace(result, repaired=f"{names} kept in float, because int8 has no such operation")
    if not options.rescue or result.candidate.verdict.chance:
        return result
    return _repaired(validation, result, fallbacks.Calibrated(ranged[chosen], method, pictures), progress)


def _nearest(candidates: Mapping[str, Candidate]) -> str:
    """The name of the candidate with probabilities nearest to the float model's on the val split.

    If some candidates pass the gate, only those are considered.
    """
    return min(candidates, key=lambda name: (not candidates[name].passed, float(candidates[name].difference.mean())))


def _compared(candidates: Mapping[str, Candidate]) -> dict[str, Compared]:
    return {
        name: Compared(float(each.difference.mean()), each.verdict.after["all"].balanced_accuracy, each.passed)
        for name, each in candidates.items()
    }


def _repaired(
    validation: Validation, failed: Conversion, calibrated: fallbacks.Calibrated, progress: Progress
) -> Conversion:
    """The conversion, repaired by the first fallback that passes the gate. If none passes, it still fails."""

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
