"""`benchmark doubt`: what the shipped file says is what it does."""

from pathlib import Path

import pytest

from benchmarks import selective
from edge.errors import UserError
from edge.model import SHIPPED, Model


def test_the_contract_tells_the_truth_about_doubt(data: Path) -> None:
    result = selective.measured(data, [SHIPPED])
    [found] = result["models"].values()
    told = Model().document["doubt"]
    for source, figures in found["sources"].items():
        name = "all" if source == selective.HOME else source
        for risk, each in figures["risks"].items():
            if name in told[risk]:
                assert each == told[risk][name]
    home = found["sources"][selective.HOME]
    assert home["auroc"] >= 0.97 and home["risks"]["0.01"]["risk"]["low"] <= 0.01
    assert sum(share["right"] for share in home["named"].values()) == home["risks"]["0.01"]["named"]["right"]
    text = selective.table(result)
    assert "bccd" in text and f"{home['auroc']:.3f}" in text


def test_a_model_that_knows_no_others_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(UserError, match="knows no other"):
        selective.measured(tmp_path, [tiny_model])
    with pytest.raises(UserError, match="Nothing to measure"):
        selective.measured(tmp_path, [])
