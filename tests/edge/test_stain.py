import numpy as np
import pytest

from edge.stain import Contrast, contrast, evidence

GLASS, RED_CELL, NUCLEUS = (235, 225, 215), (205, 150, 140), (110, 60, 140)


def field(middle: tuple[int, int, int], lamp: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    """Red cells of 40 pixels everywhere, and one disc of 44 pixels in the middle."""
    ys, xs = np.mgrid[:240, :320]
    image = np.full((240, 320, 3), GLASS)
    image[np.hypot(xs % 60 - 30, ys % 60 - 30) < 20] = RED_CELL
    image[np.hypot(xs - 160, ys - 120) < 40] = GLASS
    image[np.hypot(xs - 160, ys - 120) < 22] = middle
    return (image * np.array(lamp)).astype(np.uint8)


SCORE = 0.82  # a mark that the locator's network isn't sure of


def logit(image: np.ndarray, nuclei: np.ndarray, score: float = SCORE) -> float:
    found = contrast(image, nuclei, (160, 120), 44, 40)
    assert found
    return evidence(found, found.green, score, 44 / 40)


@pytest.mark.parametrize("lamp", [(1.0, 1.0, 1.0), (1.0, 0.6, 0.75), (0.5, 0.8, 0.5)])
def test_a_nucleus_is_told_from_a_red_cell_under_any_lamp(lamp: tuple[float, float, float]) -> None:
    none = np.zeros((240, 320), bool)
    assert logit(field(NUCLEUS, lamp), none) > 0 > logit(field(RED_CELL, lamp), none)


def test_a_mark_is_not_compared_with_other_nuclei() -> None:
    """Even among many white cells, each is compared only with red cells."""
    image = field(NUCLEUS)
    ys, xs = np.mgrid[:240, :320]
    nuclei = np.hypot(xs % 60 - 30, ys % 60 - 30) < 20
    nuclei &= (xs // 60 + ys // 60) % 2 == 0
    image[nuclei & (np.hypot(xs - 160, ys - 120) > 45)] = NUCLEUS
    assert logit(image, nuclei) > 0


def test_a_mark_that_is_much_paler_than_a_nucleus_beside_it_is_less_likely_one() -> None:
    pale = Contrast(green=120, hue=100, blue=60)
    assert evidence(pale, 500, SCORE, 1.2) < evidence(pale, 120, SCORE, 1.2)


def test_with_no_red_cells_around_there_is_nothing_to_compare() -> None:
    image = np.full((60, 60, 3), 120, np.uint8)
    assert contrast(image, np.zeros((60, 60), bool), (30, 30), 50, 40) is None
    assert contrast(image[:1, :1], np.zeros((1, 1), bool), (0.5, 0.5), 1, 1) is None
