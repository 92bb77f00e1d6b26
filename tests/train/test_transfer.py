"""`train transfer`, `cross` and `compare` on drawn cells; VGG16 has random weights, so that nothing is downloaded."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, invoke

from edge.contract import ClassFigures, Figures, document
from edge.share import Share


def test_raw_rgb_means_what_the_authors_meant(vgg16_weights: Path) -> None:
    import keras

    from train import networks

    theirs = keras.applications.VGG16(include_top=False, weights=str(vgg16_weights), input_shape=(32, 32, 3))
    ours = networks.vgg16(32, 2, vgg16_weights)
    body = keras.Model(ours.inputs, ours.get_layer("block5_pool").output)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    expected = theirs.predict(keras.applications.vgg16.preprocess_input(pictures.copy()), verbose=0)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(body.predict(pictures, verbose=0), expected, rtol=1e-3, atol=1e-3 * expected.max())


def test_the_two_parts_make_the_whole(vgg16_weights: Path) -> None:
    from train import networks

    model = networks.vgg16(32, 2, vgg16_weights)
    pictures = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3)).astype(np.float32)
    whole = model.predict(pictures, verbose=0)
    for unfreeze in range(4):
        frozen, tail = networks.divide(model, unfreeze)
        assert not frozen.trainable_variables and frozen.output.shape[-1] == (
            512 if unfreeze < 2 else 512 >> unfreeze - 1
        )
        np.testing.assert_allclose(tail.predict(frozen.predict(pictures, verbose=0), verbose=0), whole, rtol=1e-4)


@pytest.mark.slow
def test_the_last_block_learns_and_the_others_stay(drawn: Path, vgg16_weights: Path, tmp_path: Path) -> None:
    import keras

    options = (
        "--data", drawn, "--out", tmp_path, "--size", 32, "--epochs", 2, "--head-epochs", 2, "--views", 2,
        "--unfreeze", 1, "--crop", "whole-image", "--rate", 1e-4,
    )  # fmt: skip
    done = invoke("train", "transfer", *options, "--weights", vgg16_weights)
    assert done.returncode == 0, done.stderr
    assert "view 2" in done.stderr and "head epoch 2 of 2" in done.stderr and "blocks epoch 2 of 2" in done.stderr
    report = json.loads((tmp_path / "run.json").read_text())
    assert report["network"] == "vgg16" and report["settings"]["unfreeze"] == 1 and report["settings"]["views"] == 2
    assert [s["name"] for s in report["stages"]] == ["head", "blocks"]
    learned = keras.models.load_model(tmp_path / "model.keras")
    before = keras.applications.VGG16(include_top=False, weights=str(vgg16_weights), input_shape=(32, 32, 3))
    for block, same in ((2, True), (4, True), (5, False)):
        old, new = (m.get_layer(f"block{block}_conv1").get_weights()[0] for m in (before, learned))
        assert np.array_equal(old, new) == same, block
    done = invoke("train", "compare", tmp_path)
    assert done.returncode == 0 and "| vgg16" in done.stdout
    again = invoke("train", "transfer", *options[:3], tmp_path / "2", *options[4:], "--weights", vgg16_weights)
    assert "view" not in again.stderr, "what is frozen runs once"


def test_weights_that_cannot_be_read(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no weights")
    options = ("--data", drawn, "--out", tmp_path / "run", "--size", 32, "--crop", "whole-image", "--weights")
    assert_refused(invoke("train", "transfer", *options, tmp_path / "none.h5"), "is not a file")
    assert_refused(invoke("train", "transfer", *options, tmp_path / "text.h5"), "--weights FILE")


@pytest.mark.slow
def test_cross_trains_on_each_source_and_compares(drawn: Path, two_sources: Path, tmp_path: Path) -> None:
    options = ("--data", two_sources, "--out", tmp_path / "runs", "--network", "baseline", "--size", 32, "--epochs", 2)
    done = invoke("train", "cross", *options, "--crop", "whole-image")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| baseline")]
    assert len(lines) == 6 and sum("source one" in line for line in lines) == 2
    report = json.loads((tmp_path / "runs" / "baseline-one" / "run.json").read_text())
    assert set(report["data"]["counts"]["two"]) == {"test"}, "of the other source nothing is seen in training"
    again = invoke("train", "cross", *options, "--crop", "whole-image")
    assert "is finished already" in again.stderr and again.stdout == done.stdout
    assert_refused(invoke("train", "cross", *options, "--crop", "whole-image", "--seed", 1), "other settings")
    assert_refused(invoke("train", "cross", "--data", drawn, "--out", tmp_path / "x"), "only one source")


def test_compare_puts_runs_with_different_seeds_in_one_row(tmp_path: Path) -> None:
    from train import compare

    def run(name: str, accuracy: float, **settings: object) -> Path:
        right = Share(accuracy, 0.0, 1.0, round(10 * accuracy), 10)
        of_class = ClassFigures(right, right, None)
        figures = Figures(20, right, accuracy, {"monocyte": of_class, "lymphocyte": of_class}, ())
        report = {
            "network": "baseline",
            "crop": {"policy": "cell", "version": 2},
            "settings": {"seed": 0, "augment": "light", "rate": 0.1} | settings,
            "metrics": {"test": {"all": document(figures), "here": document(figures)}},
        }
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps(report))
        return tmp_path / name

    runs = [run("a", 0.9), run("b", 0.8, seed=1), run("c", 0.5, augment="none")]
    rows = compare.compare(runs)
    assert [row.settings for row in rows] == [{"augment": "light"}, {"augment": "none"}]
    assert rows[0].seeds == (0, 1)
    spread = rows[0].test["here"]["balanced accuracy"]
    assert spread.mean == pytest.approx(0.85) and (spread.low, spread.high, spread.seeds) == (0.8, 0.9, 2)
    assert "| baseline augment light (2 seeds) | here | 0.850 (0.800 to 0.900) |" in compare.table(rows).markdown()
    (tmp_path / "d").mkdir()
    assert_refused(invoke("train", "compare", tmp_path / "d"), "not a finished training run")
