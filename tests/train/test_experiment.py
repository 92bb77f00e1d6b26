"""`train baseline` on drawn cells, for seconds."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, command, fields_table, invoke

EPOCHS = 12


def test_it_learns_and_reports(tiny_run: Path) -> None:
    report = json.loads((tiny_run / "run.json").read_text())
    assert report["labels"] == ["lymphocyte", "monocyte"] and report["size"] == 32
    assert report["metrics"]["test"]["all"]["balanced_accuracy"] >= 0.9  # drawn cells are easy
    assert report["metrics"]["test"]["all"]["count"] == 16
    assert len(report["history"]["val_loss"]) == report["settings"]["epochs"] == 40
    assert report["best_epoch"] == int(np.argmin(report["history"]["val_loss"])) + 1


def test_the_network_is_the_seed_project_s(tiny_run: Path) -> None:
    import keras

    kinds = [type(layer).__name__ for layer in keras.models.load_model(tiny_run / "model.keras").layers]
    assert kinds[0] == "Rescaling" and kinds[1:9] == ["Conv2D", "MaxPooling2D"] * 4
    assert [k for k in kinds[9:] if k != "Dropout"] == ["Flatten", "Dense", "Dense"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_result(drawn: Path, tmp_path: Path) -> None:
    losses = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / name
        done = invoke(
            "train", "baseline", "--data", drawn, "--out", out, "--size", 32, "--epochs", 2, "--seed", seed
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        losses.append(json.loads((out / "run.json").read_text())["history"]["loss"])
    assert losses[0] == losses[1] != losses[2]


def history(out: Path) -> dict[str, list[float]]:
    return json.loads((out / "run.json").read_text())["history"]


def start(drawn: Path, out: Path) -> subprocess.Popen[str]:
    """Starts a run of EPOCHS, which the caller stops after a few of them."""
    arguments = ["--data", drawn, "--out", out, "--size", 32, "--epochs", EPOCHS, "--batch", 4, "--crop", "whole-image"]
    process = subprocess.Popen(
        [sys.executable, "-m", "train", "baseline", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        # A shell ignores SIGINT for what it runs in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr
    for line in process.stderr:
        if f"epoch 3 of {EPOCHS}" in line:
            break
    return process


@pytest.fixture(scope="module")
def whole(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """The figures of the same run if nobody stops it."""
    out = tmp_path_factory.mktemp("whole")
    process = start(drawn, out)
    process.communicate()
    assert process.returncode == 0
    return history(out)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_that_is_continued_gives_the_same_result(
    drawn: Path, tmp_path: Path, whole: dict[str, list[float]], how: signal.Signals
) -> None:
    process = start(drawn, tmp_path)
    process.send_signal(how)
    _, errors = process.communicate()
    again = (
        "--data", drawn, "--out", tmp_path, "--size", 32, "--epochs", EPOCHS, "--batch", 4, "--crop", "whole-image",
    )  # fmt: skip
    if how == signal.SIGINT:  # keeps what it has
        report = json.loads((tmp_path / "run.json").read_text())
        assert process.returncode == 0 and "--resume" in errors and not report["finished"]
        assert 3 <= len(report["history"]["loss"]) < EPOCHS and report["metrics"]["test"]["all"]["count"] == 16
    else:
        assert_refused(invoke("train", "baseline", *again), "--resume")
        assert_refused(invoke("train", "baseline", *again, "--resume", "--rate", 0.1), "other settings")
    done = invoke("train", "baseline", *again, "--resume")
    assert done.returncode == 0, done.stderr
    assert history(tmp_path) == whole
    assert not list(tmp_path.glob("*.last.keras"))
    rows = (tmp_path / "baseline.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,") and len(rows) == EPOCHS + 1
    assert list((tmp_path / "logs").rglob("events.out.tfevents.*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--augment", "full,-jpeg", "--amount", 1.5, "--mixup", 0.2, "--smoothing", 0.1),
        ("--augment", "none", "--balance", "sampling", "--average", 0.9),
        ("--strategy", "mirrored", "--balance", "none", "--precision", "mixed_bfloat16", "--fast"),
    ],
)
def test_options_of_training(drawn: Path, tmp_path: Path, options: tuple) -> None:
    done = invoke(
        "train", "baseline", "--data", drawn, "--out", tmp_path, "--size", 32, "--epochs", 2, "--crop", "whole-image",
        *options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "epoch 2 of 2" in done.stderr and "left" in done.stderr
    import keras

    assert {layer.dtype_policy.name for layer in keras.models.load_model(tmp_path / "model.keras").layers} == {
        "float32"
    }


@pytest.mark.slow
@pytest.mark.parametrize("network", ["baseline", "transfer"])
def test_two_workers_learn_together(network: str, drawn: Path, vgg16_weights: Path, tmp_path: Path) -> None:
    more = (
        [] if network == "baseline" else ["--weights", vgg16_weights, "--head-epochs", 2, "--views", 1, "--unfreeze", 1]
    )
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            ports.append(free.getsockname()[1])
    workers = []
    for index in range(2):
        task = {
            "cluster": {"worker": [f"localhost:{port}" for port in ports]},
            "task": {"type": "worker", "index": index},
        }
        arguments = ["--data", drawn, "--out", tmp_path / str(index), "--size", 32, "--epochs", 2, "--batch", 8]
        arguments += ["--crop", "whole-image", "--strategy", "multiworker", *more]
        workers.append(
            subprocess.Popen(
                [sys.executable, "-m", "train", network, *map(str, arguments)],
                env=os.environ | {"TF_CONFIG": json.dumps(task)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    outputs = [worker.communicate(timeout=240) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    assert len(history(tmp_path / "0")["loss"]) == 2
    assert not (tmp_path / "1" / "run.json").exists()


def test_workers_without_a_cluster_are_refused(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", "")
    arguments = ("--data", drawn, "--out", tmp_path, "--strategy", "multiworker")
    assert_refused(invoke("train", "baseline", *arguments), "TF_CONFIG")


def test_refusals(tmp_path: Path, drawn: Path) -> None:
    assert_refused(invoke("train", "baseline", "--data", tmp_path / "none", "--out", tmp_path), "not a folder")
    assert_refused(invoke("train", "baseline", "--data", drawn), "--out")
    (tmp_path / "file").touch()
    assert_refused(invoke("train", "baseline", "--data", drawn, "--out", tmp_path / "file"), "can't be made")


@pytest.mark.parametrize("name", ["baseline", "compact", "locator"])
def test_a_folder_that_is_not_empty_is_left_alone(name: str, tmp_path: Path, drawn: Path) -> None:
    out = tmp_path / "out"
    options = ("train", name, "--data", drawn, "--out", out)
    resumed = (*options, "--resume") if name != "locator" else options
    out.mkdir()
    (out / "model.keras").write_text("a model of the user")
    assert_refused(invoke(*options), "exists and isn't empty")
    assert_refused(invoke(*resumed), "no unfinished run" if name != "locator" else "isn't empty")
    (out / f"{name}.last.keras").touch()
    assert_refused(invoke(*options), "holds an unfinished run", "--resume")
    assert sorted(path.name for path in out.iterdir()) == [f"{name}.last.keras", "model.keras"]
    assert (out / "model.keras").read_text() == "a model of the user"


def test_a_finished_run_is_not_trained_again(tiny_run: Path, drawn: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny_run.iterdir()}
    for more, words in (((), "isn't empty"), (("--resume",), "no unfinished run")):
        assert_refused(invoke("train", "baseline", "--data", drawn, "--out", tiny_run, *more), words)
    assert {path: path.stat().st_mtime_ns for path in tiny_run.iterdir()} == before


def test_marked_fields_are_checked_before_training(tmp_path: Path, drawn: Path) -> None:
    """Once, they were read after the last epoch, so that a wrong row cost the whole run."""
    shutil.copytree(drawn, tmp_path / "data")
    (tmp_path / "data" / "fields").mkdir()
    (tmp_path / "data" / "fields" / "1.png").write_text("no picture")
    options = ("--data", tmp_path / "data", "--size", 32, "--epochs", 1, "--crop", "whole-image")
    for row, words in (
        ("fields/1.png,lymphocyte,1,2,many,3,,", "without four numbers"),
        ("fields/1.png,lymphocyte,1,2,3,3,,", "is not a picture"),
    ):
        fields_table(tmp_path / "data", [row])
        done = invoke("train", "baseline", *options, "--out", tmp_path / words)
        assert_refused(done, words)
        assert "epoch" not in done.stderr


@pytest.mark.parametrize("package", ["edge", "train", "convert", "benchmarks"])
def test_help_needs_no_tensorflow(package: str) -> None:
    done = command(package, "--help", environment={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0 and "Usage" in done.stdout and "tensorflow" not in done.stderr
