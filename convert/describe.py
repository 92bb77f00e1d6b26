"""Describes a contract for people: what the file is, with only a few of its hundreds of figures."""

from edge.contract import Calibration, Contract, Crop, Data, Decision, Figures, Gate


def text(contract: Contract) -> str:
    """The contract as lines of text. Lines for which the contract holds nothing are left out."""
    quantization, size = contract.quantization, contract.input.size
    operators = ", ".join(f"{name} x {count}" for name, count in quantization.operators.items())
    data = contract.data
    rows = {
        "network": f"{contract.network}, {contract.parameters:,} parameters",
        "input": f"{contract.input.dtype} {contract.input.colour} {size} x {size}, 0 to 255",
        "labels": ", ".join(contract.labels),
        "crop": _crop(contract.crop),
        "preprocessing": contract.preprocess,
        "quantization": f"{quantization.kind}, read back from the file: {operators}",
        "repaired by": contract.rescue,
        "calibration": _calibration(contract.calibration),
        "decision": _decision(contract.decision),
        "gate on val": _gate(contract.gate),
        "on test": _metrics(contract.metrics[quantization.kind]["test"]) if contract.metrics else None,
        "pictures": _counts(data) if data else None,
        "splits sha256": data.split_sha256 if data else None,
        "Keras model sha256": contract.keras_sha256,
        "graph sha256": contract.graph_sha256,
        "made by": f"edge-classify {contract.code_version}, contract version {contract.version}",
        "licence": contract.licence,
        **{f"from {source}": credit for source, credit in contract.attributions.items()},
    }
    return "\n".join(f"{name:20}{value}" for name, value in rows.items() if value)


def _crop(crop: Crop | None) -> str | None:
    return f"{crop.policy}, version {crop.version}" if crop else None


def _decision(decision: Decision | None) -> str | None:
    if not decision:
        return None
    risks = ", ".join(f"{float(risk):.1%}" for risk in decision.risks or {}) or "none"
    return f"temperature {decision.temperature}; stated risks that can be chosen: {risks}"


def _calibration(calibration: Calibration | None) -> str | None:
    if not calibration or not calibration.count:
        return None
    return (
        f"{calibration.method}, from {calibration.count} training pictures; sha256 of their list {calibration.sha256}"
    )


def _gate(gate: Gate | None) -> str | None:
    if not gate:
        return None
    balanced, recall = (round(-100 * lost, 1) + 0.0 for lost in (gate.lost.balanced_accuracy, gate.lost.recall))
    return (
        f"{balanced:+.1f} points of balanced accuracy, {recall:+.1f} of {gate.rare} recall; "
        f"{gate.answers.changed} of {gate.answers.count:,} answers changed"
    )


def _metrics(figures: dict[str, Figures]) -> str:
    return "; ".join(
        f"{source} balanced accuracy {each.balanced_accuracy:.3f} of {each.count:,}" for source, each in figures.items()
    )


def _counts(data: Data) -> str:
    return "; ".join(
        f"{source} " + ", ".join(f"{split} {sum(labels.values()):,}" for split, labels in splits.items())
        for source, splits in data.counts.items()
    )
