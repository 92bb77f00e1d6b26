"""The head of a model card, as Hugging Face reads it: licence, tags, data sets, and the figures as a `model-index`.

It is YAML. Strings are written as JSON, which YAML takes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edge.contract import Contract, Figures
from edge.decide import OTHER

_TAGS = ("tflite", "litert", "microscopy", "hematology", "blood-smear", "raspberry-pi")
_SUBJECT = {"microscopy", "hematology", "blood-smear"}  # which a network that was trained elsewhere may not have
_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit"}  # by their names there; any other is "other"


def classifier(contract: Contract, file: str) -> str:
    """The head of a classifier's card: with the figures of this file on the test split, for each source.

    Args:
        contract: the file's contract, with metrics.
        file: the file's name.
    """
    test = (contract.metrics or {})[contract.quantization.kind].get("test", {})
    measured = {source: figures for source, figures in test.items() if figures.count}
    metrics = ["recall", "accuracy", "roc_auc"] if measured else []
    tags = [tag for tag in _TAGS if contract.training or tag not in _SUBJECT]
    head = _head(contract, "image-classification", tags) | ({"metrics": metrics} if metrics else {})
    results = [
        {
            "task": {"type": "image-classification", "name": f"Telling {' from '.join(_names(contract))}"},
            "dataset": {"type": source, "name": "all sources" if source == "all" else source, "split": "test"},
            "metrics": _metrics(contract, figures),
        }
        for source, figures in measured.items()
    ]
    if results:
        head["model-index"] = [{"name": file.removesuffix(".tflite"), "results": results}]
    return _yaml(head)


def locator(contract: Contract) -> str:
    """The head of a locator's card. Its contract holds no figures."""
    return _yaml(_head(contract, "image-segmentation", _TAGS))


def _head(contract: Contract, task: str, tags: Sequence[str]) -> dict[str, Any]:
    sources = [source for source in contract.attributions if source != "weights"]
    return {
        "license": _LICENCES.get(contract.licence, "other"),
        "pipeline_tag": task,
        "tags": list(tags),
        **({"datasets": sources} if sources else {}),
    }


def _names(contract: Contract) -> list[str]:
    """The labels but *other*; the rarer class comes first."""
    return [label for label in reversed(contract.labels) if label != OTHER]


def _metrics(contract: Contract, figures: Figures) -> list[dict[str, Any]]:
    """The figures on one source. A recall is given with its counts and Wilson's 95 % interval, as arguments."""
    found: list[dict[str, Any]] = []
    for name in _names(contract):
        share = figures.classes[name].recall
        if share.value is not None:
            whole = share.document()
            arguments = {key: round(whole[key], 4) for key in ("right", "count", "low", "high")}
            found.append(_metric("recall", f"{name} recall", share.value) | {"args": arguments})
    found.append(_metric("accuracy", "balanced accuracy", figures.balanced_accuracy))
    if figures.auroc is not None:
        found.append(_metric("roc_auc", "AUROC", figures.auroc))
    return found


def _metric(kind: str, name: str, value: float) -> dict[str, Any]:
    return {"type": kind, "name": name, "value": round(value, 4)}


def _yaml(head: Mapping[str, Any]) -> str:
    return "\n".join(["---", *_lines(head), "---", ""])


def _lines(value: Any) -> list[str]:
    """A mapping or a list, as YAML."""
    if isinstance(value, Mapping):
        pairs = [(f"{key}:", each) for key, each in value.items()]
    else:
        pairs = [("-", each) for each in value]
    lines = []
    for start, each in pairs:
        if not isinstance(each, Mapping | list):
            lines.append(f"{start} {json.dumps(each)}")
        elif start == "-":
            first, *rest = _lines(each)
            lines += [f"- {first}", *(f"  {line}" for line in rest)]
        else:
            lines += [start, *(f"  {line}" for line in _lines(each))]
    return lines
