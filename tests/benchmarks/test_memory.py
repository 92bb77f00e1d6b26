"""`benchmark memory`: the generated data set and the form of the result. The measured amount isn't tested."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, command
from PIL import Image

from benchmarks import memory
from edge.errors import UserError
from train.data import dataset


def test_generated_pictures_are_many_and_no_two_alike(tmp_path: Path) -> None:
    counts, written = memory.generate(tmp_path / "data", 1100, 48)
    assert counts == {"train": 770, "val": 165, "test": 165}
    examples = dataset.read(tmp_path / "data")
    files = [tmp_path / "data" / e.path for e in examples]
    assert len({file.read_bytes() for file in files}) == 1100
    assert sum(file.stat().st_size for file in files) == written
    labels = Counter((e.split, e.label) for e in examples)
    assert max(abs(labels[split, label] - n / 2) for split, n in counts.items() for label in dataset.LABELS) <= 1
    pictures = np.array([np.asarray(Image.open(file)) for file in files[::50]])
    assert pictures.shape[1:] == (48, 48, 3) and pictures.std(axis=(1, 2, 3)).min() > 10  # no picture is blank


@pytest.mark.slow
def test_memory_measures_the_command(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = command(
        "benchmarks", "memory", "--pictures", 300, "--size", 32, "--json", tmp_path / "m.json",
        environment={"TMPDIR": str(temporary)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "m.json").read_text())["results"]["memory"]
    assert sum(result["pictures"].values()) == 300
    training = result["training"]
    assert training["seconds"] > 0 and training["peak_megabytes"] > 100
    assert training["own_megabytes"] is None or 0 < training["own_megabytes"] <= training["peak_megabytes"]
    assert "peak resident memory" in done.stdout and "Test split" not in done.stdout  # training prints on stderr
    assert not list(temporary.iterdir())


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_refused(command("benchmarks", "memory", "--pictures", 3), "--pictures")
    with pytest.raises(UserError, match="`train baseline` failed"):
        memory._run(["train", "baseline", "--size", "1"], {})
