"""The contract: dataclasses in the code, JSON in the model file."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from edge import contract
from edge.model import SHIPPED


def stored(name: str) -> dict[str, Any]:
    """contract.json of a shipped file."""
    content = SHIPPED.with_name(f"{name}.tflite").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return json.loads(archive.read("contract.json"))


@pytest.mark.parametrize("name", ["compact-int8", "compact-float32", "locator-int8"])
def test_reading_and_writing_a_shipped_contract_loses_nothing(name: str) -> None:
    assert contract.write(contract.read(stored(name))) == stored(name)


def test_renamed_fields_are_read_from_their_old_keys() -> None:
    found = contract.read(stored("compact-int8"))
    assert found.version == 3 and found.decision and found.decision.risks and found.decision.other
    told = stored("compact-int8")["decision"]
    thresholds = found.decision.risks["0.01"]
    assert thresholds.min_confidence == told["risks"]["0.01"]["sure"]
    assert thresholds.max_distance == told["risks"]["0.01"]["far"]
    assert found.decision.other.shift == told["rest"]["shift"]
    assert found.metrics and found.metrics["int8"]["test"]["all"].classes["monocyte"].recall.count == 444


def test_fields_that_are_none_are_left_out() -> None:
    assert contract.document(contract.Thresholds(min_confidence=0.9)) == {"sure": 0.9}
    nothing = contract.Calibration(0, None, None)
    assert contract.document(nothing) == {"count": 0, "method": None, "sha256": None}
    assert contract.load(contract.Calibration, contract.document(nothing)) == nothing


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("input"), "lacks 'input'"),
        (lambda d: d["input"].update(size="80"), "contract.input.size is '80'"),
        (lambda d: d["input"].update(size=True), "contract.input.size is True"),
        (lambda d: d["decision"].update(temperature=None), "contract.decision.temperature is None"),
        (lambda d: d["decision"]["risks"]["0.01"].update(sure="much"), "contract.decision.risks.0.01.sure"),
        (lambda d: d["gate"]["limits"].pop("recall"), "contract.gate.limits lacks 'recall'"),
        (lambda d: d["doubt"]["0.01"]["all"]["risk"].pop("low"), "lacks 'low'"),
        (lambda d: d["doubt"]["0.01"]["all"]["risk"].update(value="x"), "contract.doubt.0.01.all.risk.value is 'x'"),
        (lambda d: d.update(labels="lymphocyte"), "contract.labels is 'lymphocyte'"),
        (lambda d: d["decision"].update(temperature=0), "contract.decision.temperature is 0, which is not between"),
        (lambda d: d["decision"].update(temperature=10**400), "contract.decision.temperature is 1000"),
        (lambda d: d["decision"]["rest"].update(shift=float("inf")), "contract.decision.rest.shift is inf"),
        (lambda d: d["decision"]["risks"]["0.01"].update(far=-1.0), "contract.decision.risks.0.01.far is -1.0"),
        (lambda d: d["decision"]["risks"].update({"2": {}}), "'2' is no risk"),
        (lambda d: d["home"]["measures"]["features"].update(spread=-1), "contract.home.measures.features.spread is -1"),
        (lambda d: d["gate"]["answers"].update(count=-1), "contract.gate.answers.count is -1"),
        (lambda d: d["doubt"]["0.01"]["all"]["risk"].update(right=-1), "is no proportion"),
        (lambda d: d["training"].update(x=json.loads("[" * 60 + "]" * 60)), "contract.training.x is nested too deeply"),
    ],
)
def test_the_error_names_a_field_that_is_missing_or_of_the_wrong_type(
    change: Callable[[dict], object], words: str
) -> None:
    document = stored("compact-int8")
    change(document)
    with pytest.raises(ValueError, match=words.replace("'", ".")):
        contract.read(document)


def test_a_document_that_is_not_an_object_is_refused() -> None:
    documents: tuple[object, ...] = (None, [], "contract", 3)
    for document in documents:
        with pytest.raises(ValueError):
            contract.read(document)
