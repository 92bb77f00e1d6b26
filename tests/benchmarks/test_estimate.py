"""The estimate for a Raspberry Pi: are the multiplications counted, and does the page show what the command prints?"""

from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, invoke

from benchmarks.estimate import multiply_adds

SPEED = Path(__file__).parents[2] / "docs" / "figures" / "speed.md"


def test_multiplications_are_counted_layer_by_layer() -> None:
    tf = pytest.importorskip("tensorflow")
    layers = tf.keras.layers
    network = tf.keras.Sequential(
        [
            layers.Input((8, 6, 3), 1),
            layers.Conv2D(4, 3, strides=2, padding="same"),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ]
    )
    content = tf.lite.TFLiteConverter.from_keras_model(network).convert()
    assert network(np.zeros((1, 8, 6, 3), np.float32)).shape == (1, 5)
    assert multiply_adds(content) == {"main": 4 * 3 * 4 * (3 * 3 * 3) + 4 * 3 * 4 * (3 * 3) + 4 * 5}


def test_the_page_shows_what_the_command_prints() -> None:
    done = invoke("benchmarks", "estimate")
    assert done.returncode == 0, done.stderr
    assert f"```\n{done.stdout}```" in SPEED.read_text(encoding="utf-8")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(b"x" * 100)
    assert_refused(invoke("benchmarks", "estimate", tmp_path / "a.tflite"), "a.tflite")
