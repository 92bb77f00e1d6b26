"""Are held-out cells the same for ever, a fifth of all, and measured only where there are enough?"""

from dataclasses import replace

import numpy as np
import pytest
from site_cells import drawn

from edge.model import Model
from edge.site import held, report
from edge.site.adapt import adapt
from edge.site.profile import FEWEST


@pytest.fixture(scope="module")
def shipped() -> Model:
    return Model()


def test_a_fifth_is_held_out() -> None:
    count = sum(held.is_held(str(i)) for i in range(5000))
    assert 900 < count < 1100


def test_held_out_cells_show_what_a_profile_brings(shipped: Model) -> None:
    """On a microscope where all cells lean to monocytes, most lymphocytes are found only with it."""
    cells = drawn(shipped, 25, 5.0)
    is_held = np.arange(len(cells)) % 5 == 0
    profile = adapt(cells.at(~is_held), shipped).profile
    assert profile
    found = held.measured(cells, is_held, shipped, profile)
    assert found and {label: each.count for label, each in found.recall.items()} == dict.fromkeys(shipped.labels, 5)
    assert (found.before.balanced_accuracy or 0) < 0.8 < (found.after.balanced_accuracy or 0)
    text = report.held_out(found, cells.at(is_held), shipped.labels)
    assert "held-out cells" in text and f"lymphocyte recall: {found.recall['lymphocyte']}" in text
    photographed_twice = replace(cells, physical=cells.physical // 10)
    assert held.measured(photographed_twice, is_held, shipped, profile) is None  # fewer cells than FEWEST


def test_too_few_are_said(shipped: Model) -> None:
    cells = drawn(shipped, FEWEST)
    is_held = np.arange(len(cells)) % FEWEST == 0
    profile = adapt(drawn(shipped, 20, 5.0), shipped).profile
    assert profile and held.measured(cells, is_held, shipped, profile) is None
    text = report.held_out(None, cells.at(is_held), shipped.labels)
    assert "1 lymphocyte and 1 monocyte are held out so far" in text and f"at least {FEWEST}" in text
