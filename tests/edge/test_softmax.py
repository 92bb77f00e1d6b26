"""The softmax of an int8 classifier, compared with the runtime's own."""

from pathlib import Path

import numpy as np
import pytest

from edge import locate, model
from edge.softmax import softmax


def test_it_gives_the_answer_of_the_graph(tiny_model: Path) -> None:
    """On x86-64 they are equal to the byte. Elsewhere LiteRT's differs by a level, so edge has its own."""
    opened, rng = model.Model(tiny_model), np.random.default_rng(0)
    assert opened._softmax is not None
    seen = set()
    for _ in range(200):
        low, high = sorted(rng.integers(0, 257, 2))
        shade = rng.integers(low, max(high, low + 1), (1, 1, 3))
        mine = opened.raw((shade + rng.integers(-9, 10, (opened.size,) * 2 + (3,))).clip(0, 255).astype(np.uint8))
        theirs = opened._interpreter.get_tensor(opened._output["index"])[0]
        assert mine.dtype == theirs.dtype and np.abs(mine.astype(int) - theirs).max() <= 1
        seen.add(int(mine[0]))
    assert len(seen) > 3


def test_it_is_used_for_the_shipped_model_but_not_for_others() -> None:
    assert model.Model()._softmax is not None
    assert model.Model(model.SHIPPED.with_name("compact-float32.tflite"))._softmax is None
    assert locate.Locator()._softmax is None


@pytest.mark.parametrize("first", ["features", "classes"])
def test_it_is_found_among_several_outputs(first: str, tmp_path: Path) -> None:
    """The graph outputs both its features and its classes, in either order."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    picture = keras.Input(batch_shape=(1, 8, 8, 3))
    seen = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(6, 3)(keras.layers.Rescaling(1 / 255)(picture)))
    classes = keras.layers.Dense(4, activation="softmax")(seen)
    outputs = [seen, classes] if first == "features" else [classes, seen]
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(picture, outputs))
    shown = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8, 3)).astype(np.float32)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x] for x in shown)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    (tmp_path / "two.tflite").write_bytes(converter.convert())
    interpreter = model._interpreter(tmp_path / "two.tflite", 1)
    interpreter.allocate_tensors()
    end = softmax(interpreter)
    details = interpreter.get_output_details()
    assert end is not None and tuple(details[end.output]["shape"]) == (1, 4)
    for x in shown:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x.astype(np.uint8))
        interpreter.invoke()
        theirs = interpreter.get_tensor(details[end.output]["index"])[0]
        assert np.abs(end.answer().astype(int) - theirs).max() <= 1
