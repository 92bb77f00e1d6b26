"""`benchmark doubt`: the shipped file has the coverage and risk that its contract states."""

from pathlib import Path

import pytest

from benchmarks import selective
from edge.errors import UserError
from edge.model import SHIPPED, Model
from edge.share import Share


def assert_equal(one: Share, other: Share) -> None:
    """Compares counts exactly. Bounds may differ in the last bit: those in the shipped contract come from scipy."""
    assert (one.right, one.count, one.value) == (other.right, other.count, other.value)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-12)


@pytest.mark.slow
def test_the_shipped_file_has_the_coverage_and_risk_of_its_contract(data: Path) -> None:
    result = selective.measure(data, [SHIPPED])
    [found] = result.models.values()
    contract = Model().contract.doubt
    assert contract
    for source, figures in found.sources.items():
        name = "all" if source == selective.HOME else source
        for risk, each in figures.risks.items():
            if name in contract[risk]:
                stated = contract[risk][name]
                assert each.named and stated.named
                assert_equal(each.coverage, stated.coverage)
                assert_equal(each.risk, stated.risk)
                assert_equal(each.named, stated.named)
    home = found.sources[selective.HOME]
    usual = home.risks["0.01"]
    assert home.auroc and home.auroc >= 0.97 and usual.risk.low is not None and usual.risk.low <= 0.01
    assert usual.named and sum(share.right for share in home.named.values()) == usual.named.right
    text = selective.table(result)
    assert "bccd" in text and f"{home.auroc:.3f}" in text


def test_without_a_model_there_is_nothing_to_measure(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Nothing to measure"):
        selective.measure(tmp_path, [])
