"""SavedModels: those that only compute an answer are converted, others aren't opened."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import assert_refused, invoke
from test_source import LABELS, network, taught

from convert import quantize, saved_model
from convert import source as sources
from edge.errors import UserError
from train import run as runs


def test_a_saved_model_gives_the_answers_of_its_network(drawn: Path, tmp_path: Path) -> None:
    model = network()
    model.export(tmp_path / "mine", verbose=False)
    source = sources.of_file(tmp_path / "mine", drawn, LABELS, "tf")
    _, crops = source.split("test")
    expected = model.predict(crops.astype(np.float32) / 127.5 - 1, verbose=0)
    assert np.abs(runs.predict(source.model, crops) - expected).max() < 1e-5
    assert source.contract.parameters == model.count_params()
    assert quantize.emitted(quantize.quantize(source.model, "int8", crops)).kind == "int8"


def test_the_command_converts_a_saved_model(drawn: Path, tmp_path: Path) -> None:
    taught(drawn, "tf").export(tmp_path / "mine", verbose=False)
    arguments: list[Any] = [
        "convert",
        tmp_path / "mine",
        "--data",
        drawn,
        "--labels",
        "lymphocyte,monocyte",
        "--preprocess",
        "tf",
    ]
    assert_refused(invoke(*arguments, "--rescue"), "leave it out")
    done = invoke(*arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine-int8.tflite").is_file(), "beside the folder, not inside"


class Harmful(tf.Module):
    """Writes a file when it answers, in a function whose name looks like that of a saver."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self._target = target

    @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.float32)])
    def traced_save(self, pictures: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.io.write_file(self._target, "harm")]):
            return tf.reduce_mean(pictures, [1, 2])[:, :2]


class WithTable(tf.Module):
    """Has a table, whose content TensorFlow sets by code of the file when it loads it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1.0]), 0.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.float32)])
    def answer(self, pictures: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(pictures, [1, 2])[:, :2] + self.table.lookup(tf.constant("a"))


def test_what_may_do_more_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harmful, table = Harmful(str(tmp_path / "harm")), WithTable()
    tf.saved_model.save(harmful, str(tmp_path / "a"), harmful.traced_save)
    tf.saved_model.save(table, str(tmp_path / "b"), table.answer)
    tf.saved_model.save(tf.Module(), str(tmp_path / "c"))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "saved_model.pb").write_bytes(b"\x0a\xff\xff")
    monkeypatch.setattr(saved_model.keras.layers, "TFSMLayer", None)
    for name, words in (("a", "WriteFile"), ("b", "resource"), ("c", "takes one picture"), ("d", "damaged")):
        with pytest.raises(UserError, match=words) as refused:
            saved_model.load(tmp_path / name)
        assert "model.save('mine.keras')" in str(refused.value)
    assert not (tmp_path / "harm").exists()
