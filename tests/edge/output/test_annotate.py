"""Labels on annotated pictures: numbered, inside the picture, and none over another one."""

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from edge.cell import Cell
from edge.classify import Answer
from edge.decide import Decision
from edge.frames import Frame
from edge.output.annotate import annotate, draw_answers, labels

SIDES = {"lymphocyte": 0.03, "monocyte": 0.95, "other": 0.02}
ANSWERS = (Decision("monocyte", SIDES), Decision("review", SIDES, reason="perhaps another type, 21 %"))


def cells(*boxes: tuple[int, int, int, int]) -> list[tuple[Cell, Decision]]:
    return [
        (Cell(box, i, (box[0] + 5.0, box[1] + 5.0), 5.0, 9.0, 7.0, False, 0.9), ANSWERS[i % 2])
        for i, box in enumerate(boxes)
    ]


def size(text: str) -> tuple[int, int]:
    return 8 * len(text), 20


@pytest.mark.parametrize("seed", range(5))
def test_no_label_leaves_the_picture_or_covers_another(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = [(int(x), int(y), 60, 60) for x, y in rng.integers(0, (580, 420), (40, 2))]
    placed = labels(cells(*boxes), (640, 480), size)
    assert len(placed) >= 30
    for label in placed:
        assert 0 <= label.box.left < label.box.right <= 640 and 0 <= label.box.top < label.box.bottom <= 480
    assert not any(one.box.shared(other.box) for one, other in combinations(placed, 2))


def test_a_label_says_all_where_there_is_room_and_the_number_where_there_is_little() -> None:
    [first, second] = labels(cells((300, 200, 50, 50), (100, 100, 50, 50)), (640, 480), size)
    assert (first.text, second.text) == ("#0 monocyte 0.95", "#1 review: perhaps another type, 21 %")
    assert first.box.bottom == 200 and first.box.left == 300, "above the box"
    [narrow] = labels(cells((0, 0, 60, 100)), (60, 150), size)
    assert narrow.text == "#0" and narrow.box.top >= 100, "below, where it hides nothing"
    assert not labels(cells((0, 0, 9, 9)), (9, 9), size)


def test_the_only_cell_of_a_picture_needs_no_number() -> None:
    picture = Frame(np.full((200, 300, 3), 230, np.uint8), "a.png", 0, 0.0)
    blank, numbered = (Image.fromarray(picture.image) for _ in range(2))
    draw_answers(blank, cells((100, 80, 60, 60)), numbered=False)
    draw_answers(numbered, cells((100, 80, 60, 60)))
    one = annotate(Answer(picture, cells((100, 80, 60, 60))))
    assert one == blank != numbered
    assert annotate(Answer(picture, [])) == Image.fromarray(picture.image)
