"""What the tests of several packages share: the real data if it is there, drawn pictures, a tiny trained network."""

import importlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageFile

from edge.reading import pages
from edge.simulator import drawing

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    if not (DATA / "cells.csv").is_file():
        pytest.skip(f"needs real pictures, but {DATA} is absent")
    return DATA


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn cells in SPLIT/CLASS/ folders, enough to train a tiny network on."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_cells(folder, np.random.default_rng(0), {"train": 24, "val": 8, "test": 8}, 128, 28)
    return folder


@pytest.fixture
def two_sources(drawn: Path, tmp_path: Path) -> Path:
    """The drawn cells as a data set of two sources, "one" and "two"."""
    folder = tmp_path / "two"
    folder.mkdir()
    rows = ["path,label,source,split"]
    for file in sorted(drawn.rglob("*.png")):
        split, label = file.parts[-3:-1]
        rows.append(f"{file},{label},{'one' if int(file.stem) % 2 else 'two'},{split}")
    (folder / "cells.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how often each picture file is decoded."""
    counts: Counter[str] = Counter()
    decode = pages.decode

    def counted(picture: ImageFile.ImageFile, path: str | Path) -> np.ndarray:
        counts[str(path)] += 1
        return decode(picture, path)

    monkeypatch.setattr(pages, "decode", counted)
    return counts


def fill(folder: Path, counts: dict[str, int], seed: int = 0) -> None:
    """Writes `counts` pictures of noise, 20x20 pixels, into a folder per name."""
    rng = np.random.default_rng(seed)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(folder / name / f"{i}.png")


def fields_table(folder: Path, rows: list[str]) -> Path:
    """Writes fields.csv, the table of marked camera fields, and returns its folder."""
    (folder / "fields.csv").write_text("path,label,x,y,width,height,film,cell\n" + "\n".join(rows) + "\n")
    return folder


def draw_cells(folder: Path, rng: np.random.Generator, counts: dict[str, int], size: int, red_cell: float) -> None:
    """Writes FOLDER/SPLIT/CLASS/*.png. counts: by split, the number of pictures of each class."""
    for split, count in counts.items():
        for kind in drawing.KINDS:
            place = folder / split / kind
            place.mkdir(parents=True)
            for i in range(count):
                picture = drawing.picture(kind, rng, size, drawing.Look(red_cell=red_cell))
                Image.fromarray(picture).save(place / f"{i}.png")


def int8_answers(graph: bytes, pictures: np.ndarray) -> np.ndarray:
    """The answers of an int8 graph with two labels to pictures, uint8 [n, 16, 16, 3], without a whole conversion."""
    from convert import gate, model_file
    from edge.contract import Contract, Crop, Decision, Input, Quantization
    from edge.crop import POLICIES
    from edge.model import Model

    contract = Contract(
        network="large",
        parameters=1,
        input=Input(16),
        labels=("a", "b"),
        crop=Crop("whole-image", POLICIES["whole-image"]),
        decision=Decision(temperature=1.0),
        licence="none",
        quantization=Quantization("int8"),
    )
    return gate.answers(model_file.draft(graph, contract, Model).model, pictures)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The cache folder of all tests, so that they neither read nor fill the user's own."""
    folder = str(tmp_path_factory.mktemp("cache"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", folder)
        yield folder


@pytest.fixture(scope="session")
def tiny_run(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished `train baseline` run, trained for seconds through the command itself."""
    out = tmp_path_factory.mktemp("runs") / "baseline"
    done = command(
        "train", "baseline", "--data", drawn, "--out", out, "--size", 32, "--epochs", 40, "--batch", 4,
        "--crop", "whole-image",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def tiny_model(tiny_run: Path) -> Path:
    """The int8 file of `tiny_run`, converted by the command itself."""
    done = command("convert", "--int8", tiny_run)
    assert done.returncode == 0, done.stderr
    return tiny_run / "baseline-int8.tflite"


@pytest.fixture(scope="session")
def cell_model(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The int8 file of a tiny network that reads the locator's crops."""
    out = tmp_path_factory.mktemp("runs") / "cells"
    options = ("--crop", "cell", "--size", 32, "--epochs", 20, "--batch", 4)
    for done in (
        command("train", "baseline", "--data", drawn, "--out", out, *options),
        command("convert", "--int8", out),
    ):
        assert done.returncode == 0, done.stderr
    return out / "baseline-int8.tflite"


@pytest.fixture(scope="session")
def vgg16_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights for VGG16, in the same form as the real ones."""
    import keras

    keras.utils.set_random_seed(3)
    file = tmp_path_factory.mktemp("weights") / "vgg16.weights.h5"
    keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3)).save_weights(file)
    return file


def command(
    package: str, *arguments: object, stdin: str | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command as a user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", package, *map(str, arguments)],
        input=stdin, capture_output=True, text=True, timeout=300, env=os.environ | (environment or {}),
    )  # fmt: skip


def invoke(package: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a command in this process. Like `command`, but without the seconds that a new process takes for imports."""
    runner = CliRunner()
    main = importlib.import_module(f"{package}.cli").main
    result = runner.invoke(main, [*map(str, arguments)], catch_exceptions=False)
    return subprocess.CompletedProcess([package], result.exit_code, result.stdout, result.stderr)


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Checks that a command ended with exit code 2, no traceback, and a message that contains these words."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def assert_fits(document: Any, schema: str) -> None:
    """Checks a document of a command against edge/schema/SCHEMA.schema.json."""
    from jsonschema import Draft202012Validator

    read = json.loads((ROOT / "edge" / "schema" / f"{schema}.schema.json").read_text())
    Draft202012Validator.check_schema(read)
    Draft202012Validator(read).validate(document)


def english_in(text: str) -> list[str]:
    """English words that none of the other languages has."""
    return re.findall(r"\b(?:the|of|and|with|was|were|is|are|by|that|cells?|like|perhaps|not|this|white)\b", text)
