"""`benchmark doubt`: the shipped file does what its contract says."""

from pathlib import Path

import pytest

from benchmarks import selective
from edge.errors import UserError
from edge.model import SHIPPED, Model


@pytest.mark.slow
def test_the_shipped_file_answers_at_stated_risks_as_its_contract_says(data: Path) -> None:
    result = selective.measure(data, [SHIPPED])
    [found] = result.models.values()
    contract = Model().contract.doubt
    assert contract
    for source, figures in found.sources.items():
        name = "all" if source == selective.HOME else source
        for risk, each in figures.risks.items():
            if name in contract[risk]:
                assert each == contract[risk][name]
    home = found.sources[selective.HOME]
    usual = home.risks["0.01"]
    assert home.auroc and home.auroc >= 0.97 and usual.risk.low is not None and usual.risk.low <= 0.01
    assert usual.named and sum(share.right for share in home.named.values()) == usual.named.right
    text = selective.table(result)
    assert "bccd" in text and f"{home.auroc:.3f}" in text


def test_without_a_model_there_is_nothing_to_measure(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Nothing to measure"):
        selective.measure(tmp_path, [])
