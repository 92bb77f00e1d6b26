"""Model cards and the page, from figures that this file makes up; and the shipped cards."""

from pathlib import Path

import numpy as np
import pytest

from edge.contract import Crop
from edge.model import SHIPPED, File
from train.evaluation import cell_figures, intervals, model_card, page
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
