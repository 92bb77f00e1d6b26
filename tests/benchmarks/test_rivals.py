"""`benchmark runtimes` and `peers`: processes that take turns. Only LiteRT, which is always installed, is needed."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, assert_refused, command, invoke

from benchmarks.command import last_core, listed, timed
from benchmarks.rivals import peers, runtimes
from edge import contract, share
from edge.errors import UserError
from edge.model import SHIPPED, Model
from train import compare

RIVALS = ROOT / ".rivals"


def test_a_worker_gives_the_same_answers_as_the_model(tmp_path: Path) -> None:
    model = Model()
    crops = np.random.default_rng(0).integers(0, 256, (8, *model.shape), np.uint8)
    np.save(tmp_path / "crops.npy", crops)
    with runtimes.Worker("litert", "", SHIPPED).start(tmp_path, tmp_path / "crops.npy", 1) as worker:
        assert worker.load > 0 and worker.version
        seconds = worker.run(range(2, 5))
        assert len(seconds) == 3 and min(seconds) > 0
        megabytes, answers = worker.end()
    assert 10 < megabytes < 1000
    np.testing.assert_allclose(
        answers / answers.sum(axis=1, keepdims=True), np.stack([model.predict(crop).kinds for crop in crops]), atol=1e-6
    )


def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    np.save(tmp_path / "crops.npy", np.zeros((1, 8, 8, 3), np.uint8))
    (tmp_path / "no.tflite").write_bytes(b"no model")
    worker = runtimes.Worker("litert", "", tmp_path / "no.tflite")
    with worker, pytest.raises(runtimes.MissingError, match="odel"):
        worker.start(tmp_path, tmp_path / "crops.npy", 1)
    with pytest.raises(runtimes.MissingError, match="make rivals"):
        runtimes.Worker("ncnn", "runtimes", SHIPPED).start(tmp_path / "none", tmp_path / "crops.npy", 1)


def test_the_seconds_and_memory_of_a_command_are_its_own() -> None:
    held = bytearray(300 << 20)  # the memory of this process isn't counted
    small = timed([sys.executable, "-c", "input()"], "a line\n", last_core())
    assert 0 < small.seconds < 60 and 5 < small.megabytes < 100 and held
    large = timed([sys.executable, "-c", "x = b'x' * (100 << 20)"])
    assert large.megabytes > small.megabytes + 80
    with pytest.raises(UserError, match="failed: ValueError: no"):
        timed([sys.executable, "-c", "raise ValueError('no')"])


def test_a_list_spells_the_path_of_a_repeated_picture_differently_each_time(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("")
    lines = listed([str(tmp_path / "a.png")] * 3).splitlines()
    assert len(set(lines)) == 3 and all(Path(line).samefile(tmp_path / "a.png") for line in lines)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The part of a finished training run that is read before a network is needed."""
    found = share.share(1, 2)
    figures = contract.Figures(4, found, 0.5, {}, ((1, 1), (1, 1)))
    tested = compare.TestedRun("baseline", contract.Crop("cell", 3), {"seed": 0}, {"test": {"drawn": figures}})
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(contract.document(tested)))
    return folder


def test_refusals(tmp_path: Path, drawn: Path, run: Path) -> None:
    nothing = tmp_path / "nothing"
    assert_refused(invoke("benchmarks", "runtimes", tmp_path, "--data", drawn), "not a finished training run")
    assert_refused(invoke("benchmarks", "peers", tmp_path, "--pictures", drawn), "not a finished training run")
    assert_refused(invoke("benchmarks", "peers", run, "--pictures", drawn), "baseline-int8.tflite is missing")
    assert_refused(invoke("benchmarks", "runtimes", run, "--data", drawn), "baseline-float32.tflite is missing")
    for kind in ("int8", "float32"):
        shutil.copy(SHIPPED, run / f"baseline-{kind}.tflite")
    done = invoke("benchmarks", "peers", run, "--pictures", drawn, "--rivals", nothing)
    assert_refused(done, "run `make rivals`")
    done = invoke("benchmarks", "runtimes", run, "--data", drawn, "--rivals", nothing)
    assert_refused(done, "run `make rivals`")


@pytest.mark.slow
@pytest.mark.skipif(not (RIVALS / "runtimes" / "bin" / "python").exists(), reason="`make rivals` was not run")
def test_other_runtimes_answer_as_litert_does(drawn: Path, tiny_run: Path, tiny_model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    done = command("convert", "--float32", run)
    assert done.returncode == 0, done.stderr
    found = runtimes.runtimes(drawn, run, runtimes.Options(count=16, rounds=2, rivals=RIVALS))
    assert sum("16 of 16" in each.answers for each in found.contenders.values()) >= 4
    assert any("ONNX Runtime" in name for name in found.contenders)
    assert set(found.fastest) == {"float32", "int8"}
    pictures = [str(file) for file in sorted((drawn / "test").rglob("*.png"))]
    others = peers.peers(pictures, run, 2, RIVALS)
    megabytes = others.contenders["edge-classify"].megabytes
    assert len(others.contenders) >= 4 and megabytes and megabytes.value > 10
