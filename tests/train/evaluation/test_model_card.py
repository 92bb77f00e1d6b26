"""Model cards and the page, from figures that this file makes up; and the shipped cards."""

from pathlib import Path

import numpy as np
import pytest

from edge.contract import Crop
from edge.model import SHIPPED, File
from train.evaluation import cell_figures, front_matter, intervals, model_card, page
from train.evaluation.results import Answer, EvaluatedData, Evaluation

LABELS = ("lymphocyte", "monocyte", "other")
MONOCYTE = np.array([0.1, 0.2, 0.9, 0.8, 0.4, 0.7])


@pytest.fixture
def evaluation(monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    """The evaluation of a network that knows other cells, on two sources; the second has only monocytes."""
    monkeypatch.setattr(intervals, "RESAMPLES", 20)
    truth, sources = np.array([0, 0, 0, 1, 1, 1]), np.array(["a"] * 5 + ["b|<b>"])
    probabilities = np.stack([1 - MONOCYTE, MONOCYTE], axis=1)
    return Evaluation(
        version="1", command="train evaluate", seed=0, resamples=20, split="val", network="compact", parameters=1000,
        labels=LABELS, size=80, crop=Crop("normalised", 2), training={"epochs": 1, "code_version": "1"},
        keras_sha256="0", attributions={"a": "A & B"},
        data=EvaluatedData(counts={"a": {"val": {"lymphocyte": 3}}}, split_sha256="1", folder="data"),
        figures=cell_figures.by_source(truth, probabilities, np.arange(6), sources, LABELS[:2]),
        mistakes=(Answer("2.png", "a", "lymphocyte", "monocyte", 0.9),),
    )  # fmt: skip


def test_the_card_of_an_evaluation(evaluation: Evaluation) -> None:
    card = model_card.evaluation_card(evaluation)
    assert "and both from other cells" in card and "It knows two classes" not in card
    assert "| a | monocyte | 0.500 [0.095, 0.905] 1/2 |" in card and "these figures flatter" in card
    row = next(line for line in card.splitlines() if line.startswith("| b\\|<b> | lymphocyte |"))
    assert row.endswith("| - | - | - |"), "a class that isn't there has no figures"


def test_the_page_of_an_evaluation(evaluation: Evaluation) -> None:
    crop, heat = np.full((8, 8, 3), 200, np.uint8), np.zeros((8, 8))
    scores = {name: page.Scores(np.arange(6) > 2, MONOCYTE) for name in evaluation.figures}
    [answer] = evaluation.mistakes
    text = page.page(evaluation, scores, [page.CellPicture(answer, crop)], [page.CellPicture(answer, crop, heat)])
    assert "<h2>all</h2>" in text and "<h2>b|&lt;b&gt;</h2>" in text and "A &amp; B." in text and "<b>" not in text
    assert text.count("reliability diagram") == 3 and text.count("ROC curve") == 2, "one source has one class"
    assert text.count("2.png") == 2 and "Lymphocytes, wrong answers" in text and "these figures flatter" in text
    assert "no convolution" in page.page(evaluation, scores, [], [])


def test_cold_places_show_the_picture() -> None:
    crop, heat = np.full((1, 2, 3), 200, np.uint8), np.array([[0.0, 1.0]])
    overlay = page.CellPicture(Answer("", "", "", "", 1.0), crop, heat).overlay
    assert (overlay[0, 0] == 200).all() and overlay[0, 1, 2] < 100


@pytest.mark.parametrize("file", sorted(SHIPPED.parent.glob("*.tflite")), ids=lambda file: file.stem)
def test_the_shipped_cards_describe_the_shipped_files(file: Path) -> None:
    model = File(file)
    write = model_card.card if model.contract.crop else model_card.locator_card
    assert file.with_suffix(".md").read_text(encoding="utf-8") == write(model.contract, file.name, model.sha256)


@pytest.mark.parametrize("file", sorted(SHIPPED.parent.glob("*.tflite")), ids=lambda file: file.stem)
def test_hugging_face_reads_the_head_of_a_card(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own library, without its server: the head is whole, and its figures are those of the contract."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub (extra dev) is not installed")
    contract = File(file).contract
    card = hub.ModelCard.load(file.with_suffix(".md"))
    data = card.data
    assert card.text.lstrip().startswith(f"# {file.name}")
    assert data.license == "apache-2.0" and contract.licence == "Apache-2.0" and "tflite" in data.tags
    assert data.datasets == [source for source in contract.attributions if source != "weights"]
    if not contract.metrics:
        assert data.eval_results is None and data.pipeline_tag == "image-segmentation"
        return
    assert data.model_name == file.stem and data.pipeline_tag == "image-classification"
    test = contract.metrics[contract.quantization.kind]["test"]
    found = {(each.dataset_type, each.metric_name): each for each in data.eval_results}
    assert {source for source, _ in found} == {source for source, each in test.items() if each.count}
    for (source, name), each in found.items():
        figures = test[source]
        assert each.dataset_split == "test" and each.metric_type in data.metrics
        if each.metric_type == "recall":
            recall = figures.classes[name.removesuffix(" recall")].recall
            assert (each.metric_args["right"], each.metric_args["count"]) == (recall.right, recall.count)
            assert each.metric_value == pytest.approx(recall.right / recall.count, abs=5e-5)
        else:
            expected = {"AUROC": figures.auroc, "balanced accuracy": figures.balanced_accuracy}[name]
            assert each.metric_value == pytest.approx(expected, abs=5e-5)
    assert len(found) == 4 * len({source for source, _ in found})
    # What the library writes from what it read gives the same results again.
    again = hub.repocard_data.model_index_to_eval_results(data.to_dict()["model-index"])
    assert again[1] == data.eval_results


def test_the_head_of_a_card_is_yaml_whatever_its_words_are() -> None:
    yaml = pytest.importorskip("yaml")
    odd = {"a": ["x: y", "- z", '"quoted"', "ä\n#b"], "b": [{"c": {"d": [1.5, True]}, "e": "no"}], "f": "null"}
    assert yaml.safe_load(front_matter._yaml(odd).removesuffix("---\n")) == odd
