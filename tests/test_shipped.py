"""The shipped model on real pictures: what it must reach."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import command

from convert import gate
from edge import model
from edge.contract import Figures
from train.data import crop_cache, dataset
from train.evaluation import evaluate


@pytest.fixture(scope="module")
def figures(data: Path) -> dict[str, dict[str, Figures]]:
    """Figures of the test split by file, "int8" and "float32", and source."""
    chosen = dataset.only(dataset.read(data), "test")
    result = {}
    for kind in ("int8", "float32"):
        opened = model.Model(model.SHIPPED.with_name(f"compact-{kind}.tflite"))
        answers = gate.answers(opened, crop_cache.crops(data, chosen, opened.size, opened.policy))
        result[kind] = evaluate.by_source(dataset.targets(chosen), answers, [e.source for e in chosen], opened.labels)
    return result


def test_it_reads_what_the_project_promises(figures: dict[str, dict[str, Figures]]) -> None:
    together = figures["int8"]["all"]
    assert together.balanced_accuracy >= 0.94
    assert (together.classes["monocyte"].recall.value or 0.0) >= 0.92


def test_quantization_costs_at_most_half_a_point(figures: dict[str, dict[str, Figures]]) -> None:
    loss = figures["float32"]["all"].balanced_accuracy - figures["int8"]["all"].balanced_accuracy
    assert loss <= 0.005


def test_the_contract_tells_the_truth_about_the_test_split(figures: dict[str, dict[str, Figures]]) -> None:
    for kind, measured in figures.items():
        contract = model.Model(model.SHIPPED.with_name(f"compact-{kind}.tflite")).contract
        assert contract.metrics
        for source, each in measured.items():
            assert contract.metrics[kind]["test"][source].confusion == each.confusion


@pytest.mark.slow
def test_the_command_gives_the_same_answers(data: Path, figures: dict[str, dict[str, Figures]]) -> None:
    """The command reads files, not the cache of crops. It gets the whole split: red cells are measured together."""
    pictures = [data / e.path for e in dataset.only(dataset.read(data, None), "test") if e.source == "raabin"]
    done = command("edge", "-", "--single", "--json", "-", stdin="\n".join(map(str, pictures)))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["source"] for a in answers] == [str(p) for p in pictures]
    labels = ("lymphocyte", "monocyte")
    answers = [a for a in answers if Path(a["source"]).parent.name in labels]
    pairs = Counter((Path(a["source"]).parent.name, max(labels, key=a["probabilities"].__getitem__)) for a in answers)
    table = np.array([[pairs[truth, answer] for answer in labels] for truth in labels])
    assert tuple(map(tuple, table.tolist())) == figures["int8"]["raabin"].confusion
    doubt = model.Model().contract.doubt
    assert doubt
    stated = doubt["0.01"]["raabin"]
    given = [a for a in answers if a["label"] != "review"]
    assert 0.98 * stated.coverage.right <= len(given) <= stated.coverage.right, "pictures may be doubted, too"
    wrong = sum(a["label"] != Path(a["source"]).parent.name for a in given)
    assert wrong <= stated.risk.right and wrong <= 0.015 * len(given)


@pytest.mark.parametrize("file", sorted(model.SHIPPED.parent.glob("*.tflite")), ids=lambda file: file.stem)
def test_its_provenance_is_about_this_file(file: Path) -> None:
    statement = json.loads(file.with_name(f"{file.stem}.provenance.json").read_text())
    opened = model.File(file)
    assert statement["subject"] == [{"name": file.name, "digest": {"sha256": opened.sha256}}]
    made_of = {
        each.get("name"): each.get("digest")
        for each in statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    }
    assert made_of["network"] == {"sha256": opened.contract.keras_sha256}


def test_it_verifies_itself_here() -> None:
    for file in sorted(model.SHIPPED.parent.glob("*.tflite")):
        right, count = model.File(file).verify()
        assert right == count >= 1
