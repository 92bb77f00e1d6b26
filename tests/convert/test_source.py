"""Keras files of a user's own: which are accepted, which are refused, and with which message."""

from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import assert_refused, command, invoke
from sklearn.linear_model import LogisticRegression

from convert import quantize
from convert import source as sources
from edge.errors import UserError
from edge.model import Model
from train import run as runs
from train.data import crop_cache, dataset

LABELS = ("lymphocyte", "monocyte")
L = keras.layers


def network(size: int | None = 16, units: int = 2, activation: str = "softmax", sine: bool = False) -> keras.Model:
    """An untrained network; its answers are far from the threshold for every picture, so rounding changes none.

    sine: whether it computes a sine, which int8 has no form for.
    """
    keras.utils.set_random_seed(0)
    inputs = keras.Input((size, size, 3), name="mine")
    x = L.Conv2D(8, 3, activation="relu", padding="same")(inputs)
    x = L.GlobalAveragePooling2D()(keras.ops.sin(x / 1000) if sine else x)
    model = keras.Model(inputs, L.Dense(units, activation=activation)(x))
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel / 100, np.arange(units, dtype=np.float32) * 2 + bias])
    return model


def taught(drawn: Path, preprocess: str = "raw", model: keras.Model | None = None) -> keras.Model:
    """A network that tells drawn lymphocytes from monocytes by the mean darkness in red, given these pixel values."""
    model = model or network()
    examples = dataset.only(dataset.read(drawn), "train")
    crops = crop_cache.crops(drawn, examples, 16, "whole-image")
    truth = dataset.targets(examples, LABELS)
    features = sources._with_preprocess(keras.Model(model.inputs, model.layers[-2].output), preprocess, 16)
    seen = runs.predict(features, crops)
    fitted = LogisticRegression(C=1e4, max_iter=10_000).fit((seen - seen.mean(axis=0)) / seen.std(), truth)
    kernel = fitted.coef_[0] / seen.std()
    bias = fitted.intercept_[0] - kernel @ seen.mean(axis=0)
    model.layers[-1].set_weights([np.stack([-kernel, kernel], axis=1) / 2, np.array([-bias, bias]) / 2])
    return model


@pytest.fixture
def file(tmp_path: Path) -> Path:
    network().save(tmp_path / "my net.keras")
    return tmp_path / "my net.keras"


def test_a_users_own_file_is_converted(drawn: Path, tmp_path: Path) -> None:
    file = tmp_path / "my net.keras"
    taught(drawn, "tf").save(file)
    done = invoke(
        "convert", file, "--data", drawn, "--labels", "lymphocyte,monocyte", "--preprocess", "tf", "--out", tmp_path
    )
    assert done.returncode == 0, done.stderr
    model = Model(tmp_path / "my-net-int8.tflite")
    assert model.labels == LABELS and model.size == 16 and model.policy == "whole-image"
    assert model.contract.preprocess == "tf" and model.contract.quantization.kind == "int8"
    assert model._input["dtype"] == np.uint8 and model._input["quantization"] == (1.0, 0)
    assert model.contract.metrics and model.contract.metrics["int8"]["test"]["all"].count == 16
    card = (tmp_path / "my-net-int8.md").read_text()
    assert "trained\nelsewhere" in card and "smear" not in card


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("preprocess", sources.PREPROCESS)
def test_preprocessing_is_in_the_graph(preprocess: str, suffix: str, drawn: Path, tmp_path: Path) -> None:
    network().save(tmp_path / f"a.{suffix}")
    source = sources.of_file(tmp_path / f"a.{suffix}", drawn, LABELS, preprocess)
    _, crops = source.split("test")
    as_float = crops.astype(np.float32)
    fed: np.ndarray
    if preprocess == "unit":
        fed = as_float / 255
    elif preprocess == "raw":
        fed = as_float
    else:
        fed = keras.applications.imagenet_utils.preprocess_input(as_float.copy(), mode=preprocess)
    expected = network().predict(fed, verbose=0)
    assert np.abs(runs.predict(source.model, crops) - expected).max() < 1e-5
    assert quantize.emitted(quantize.quantize(source.model, "int8", crops)).kind == "int8"


def test_one_sigmoid_becomes_two_probabilities(drawn: Path, tmp_path: Path) -> None:
    model = network(units=1, activation="sigmoid")
    model.save(tmp_path / "a.keras")
    source = sources.of_file(tmp_path / "a.keras", drawn, LABELS)
    _, crops = source.split("test")
    yes = model.predict(crops.astype(np.float32), verbose=0)[:, 0]
    assert np.allclose(runs.predict(source.model, crops), np.stack([1 - yes, yes], axis=1), atol=1e-6)
    assert quantize.emitted(quantize.quantize(source.model, "int8", crops)).kind == "int8"


def test_labels_are_found_however_the_folders_are_spelled(file: Path, drawn: Path) -> None:
    source = sources.of_file(file, drawn, ["Lymphocyte", "Monocytes"])
    assert {e.label for e in source.examples} == {"Lymphocyte", "Monocytes"}
    assert dataset.targets(source.examples, source.labels).max() == 1
    assert {e.label for e in sources.of_file(file, drawn, ["LY", "mono"]).examples} == {"LY", "mono"}


def refusal(file: Path, drawn: Path | None, labels: tuple[str, ...] = LABELS, **options: object) -> str:
    with pytest.raises(UserError) as caught:
        sources.of_file(file, drawn, labels, **options)  # type: ignore[arg-type]
    assert caught.value.message.count("\n") == 0
    return caught.value.message


def saved(model: keras.Model, folder: Path) -> Path:
    model.save(folder / "a.keras")
    return folder / "a.keras"


def test_files_that_are_no_image_classifier_are_refused(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "text.keras").write_text("no model")
    assert "not a Keras model" in refusal(tmp_path / "text.keras", drawn)
    (tmp_path / "empty.h5").touch()
    assert "not a Keras model" in refusal(tmp_path / "empty.h5", drawn)
    a, b = keras.Input((16, 16, 3)), keras.Input((16, 16, 3))
    two = keras.Model([a, b], L.Dense(2, activation="softmax")(L.Flatten()(L.Add()([a, b]))))
    assert "has 2 inputs" in refusal(saved(two, tmp_path), drawn)
    out = L.Flatten()(a)
    two = keras.Model(a, [L.Dense(2, activation="softmax")(out), L.Dense(3)(out)])
    assert "has 2 outputs" in refusal(saved(two, tmp_path), drawn)
    assert "[2] numbers per picture, but --labels names 3" in refusal(
        saved(network(), tmp_path), drawn, ("a", "b", "c")
    )
    assert "let it end with a softmax" in refusal(saved(network(activation="sigmoid"), tmp_path), drawn)
    grey = keras.Sequential([keras.Input((16, 16, 1)), L.Flatten(), L.Dense(2, activation="softmax")])
    assert "only RGB" in refusal(saved(grey, tmp_path), drawn)
    flat = keras.Sequential([keras.Input((16, 8, 3)), L.Flatten(), L.Dense(2, activation="softmax")])
    assert "only square" in refusal(saved(flat, tmp_path), drawn)
    assert "not 32" in refusal(saved(network(), tmp_path), drawn, size=32)
    assert "--size" in refusal(saved(network(None), tmp_path), drawn)
    assert sources.of_file(tmp_path / "a.keras", drawn, LABELS, size=24).size == 24


def test_files_with_custom_layers_are_refused(drawn: Path, tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable()
    class Mine(keras.Layer):
        def call(self, x: object) -> object:
            return x

    for place in ("a.keras", "a.h5"):
        keras.Sequential([keras.Input((16, 16, 3)), Mine(), L.Flatten(), L.Dense(2)]).save(tmp_path / place)
    keras.saving.get_custom_objects().clear()
    for place in ("a.keras", "a.h5"):
        assert "code of its own (" in refusal(tmp_path / place, drawn) and "Mine" in refusal(tmp_path / place, drawn)
    keras.Sequential([keras.Input((16, 16, 3)), L.Lambda(lambda x: x), L.Flatten(), L.Dense(2)]).save(
        tmp_path / "b.keras"
    )
    assert "Lambda" in refusal(tmp_path / "b.keras", drawn)


def test_pictures_and_labels_that_do_not_fit_are_refused(file: Path, drawn: Path, tmp_path: Path) -> None:
    assert "--data" in refusal(file, None)
    assert "--labels" in refusal(file, drawn, ())
    assert "twice" in refusal(file, drawn, ("a", "a"))
    assert "holds no cat in its train split" in refusal(file, drawn, ("lymphocyte", "cat"))
    (tmp_path / "nothing").mkdir()
    assert "no pictures in folders of classes" in refusal(file, tmp_path / "nothing")
    assert "not a folder" in refusal(file, tmp_path / "absent")


def test_an_operation_without_tflite_counterpart_is_refused(tmp_path: Path) -> None:
    inputs = keras.Input((16, 16, 3))
    x = keras.ops.erfinv(keras.ops.tanh(L.Conv2D(4, 3)(inputs)))
    model = keras.Model(inputs, L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(x)))
    with pytest.raises(UserError, match=r"can't be converted to TFLite \(tf.Erfinv\)"):
        quantize.quantize(model, "float32")
    x = keras.ops.sin(L.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(x)))
    with pytest.raises(UserError, match="SIN can't be computed in int8"):
        quantize.quantize(model, "int8", np.zeros((2, 16, 16, 3), np.uint8))


def test_the_rescue_keeps_in_float_what_int8_cannot_compute(drawn: Path, tmp_path: Path) -> None:
    file = saved(taught(drawn, model=network(sine=True)), tmp_path)
    given = (file, "--data", drawn, "--labels", "lymphocyte,monocyte", "--out", tmp_path / "out")
    assert_refused(invoke("convert", *given), "SIN can't be computed in int8", "--rescue")
    assert not list((tmp_path / "out").glob("*"))
    done = invoke("convert", *given, "--rescue")
    assert done.returncode == 0, done.stderr
    assert "Rescued: SIN kept in float" in done.stdout and "Read back from the file: mixed" in done.stdout
    model = Model(tmp_path / "out" / "a-mixed.tflite")
    assert model.contract.quantization.operators["SIN"] == 1 and "SIN" in (model.contract.rescue or "")


def test_the_command_refuses_in_one_sentence(file: Path, drawn: Path, tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = ("--labels", "lymphocyte,monocyte", "--out", out)
    (tmp_path / "text.keras").write_text("no model")
    assert_refused(invoke("convert", tmp_path / "text.keras", "--data", drawn, *given), "not a Keras model")
    (tmp_path / "nothing").mkdir()
    assert_refused(invoke("convert", file, "--data", tmp_path / "nothing", *given), "holds no pictures in folders")
    assert_refused(invoke("convert", tiny_run, "--labels", "a,b"), "--labels is for a Keras file")
    assert not out.exists()


def test_a_better_preprocessing_is_named(drawn: Path, tmp_path: Path) -> None:
    file = saved(taught(drawn, "tf"), tmp_path)
    assert "with --preprocess raw, but 100 % with tf" in refusal(file, drawn)
    assert "Add --preprocess tf." in refusal(file, drawn, preprocess="unit"), "at chance, a stated one is doubted too"
    assert sources.of_file(file, drawn, LABELS, "tf").contract.preprocess == "tf"
    assert sources.of_file(saved(taught(drawn), tmp_path), drawn, LABELS).contract.preprocess == "raw"


def test_a_network_that_answers_at_chance_does_not_pass(file: Path, drawn: Path, tmp_path: Path) -> None:
    done = invoke("convert", file, "--data", drawn, "--labels", "lymphocyte,monocyte", "--out", tmp_path, "--rescue")
    assert done.returncode == 3 and "Passed" not in done.stdout
    assert "no better than guessing (balanced accuracy 0.50 on 16 pictures). Check the labels" in done.stderr
    assert not list(tmp_path.glob("*.tflite"))


def test_swapped_labels_are_not_taken_for_another_preprocessing(drawn: Path, tmp_path: Path) -> None:
    file = saved(taught(drawn), tmp_path)
    assert sources.of_file(file, drawn, ("monocyte", "lymphocyte")).contract.preprocess == "raw"


@pytest.mark.parametrize("units", [1, 2])
def test_logits_get_their_softmax_or_sigmoid(units: int, drawn: Path, tmp_path: Path) -> None:
    model = network(units=units, activation="linear")
    source = sources.of_file(saved(model, tmp_path), drawn, LABELS)
    _, crops = source.split("test")
    logits = model.predict(crops.astype(np.float32), verbose=0).astype(float)
    odds = np.exp(logits[:, -1] - (logits[:, 0] if units == 2 else 0))
    assert np.allclose(runs.predict(source.model, crops)[:, 1], odds / (1 + odds), atol=1e-5)
    assert quantize.emitted(quantize.quantize(source.model, "int8", crops)).kind == "int8"


def test_a_softmax_that_is_no_layer_is_seen(drawn: Path, tmp_path: Path) -> None:
    model = network(activation="linear")
    model = keras.Model(model.inputs, keras.ops.softmax(model.outputs[0]))
    for each in (model, keras.Sequential([keras.Input((16, 16, 3)), model])):
        source = sources.of_file(saved(each, tmp_path), drawn, LABELS)
        _, crops = source.split("test")
        expected = model.predict(crops.astype(np.float32), verbose=0)
        assert np.allclose(runs.predict(source.model, crops), expected, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_mixed_precision_is_converted_in_float32(policy: str, drawn: Path, tmp_path: Path) -> None:
    plain = network()
    keras.config.set_dtype_policy(policy)
    try:
        model = network()
    finally:
        keras.config.set_dtype_policy("float32")
    model.set_weights(plain.get_weights())
    source = sources.of_file(saved(model, tmp_path), drawn, LABELS)
    assert {layer.compute_dtype for layer in sources.flat(source.model)} == {"float32"}
    _, crops = source.split("test")
    expected = plain.predict(crops.astype(np.float32), verbose=0)
    assert np.abs(runs.predict(source.model, crops) - expected).max() < 1e-2  # float16 has rounded the weights
    assert quantize.emitted(quantize.quantize(source.model, "float32")).kind == "float32"


def test_other_files_are_named_for_what_they_are(tiny_model: Path, drawn: Path, tmp_path: Path) -> None:
    network().save_weights(tmp_path / "a.weights.h5")
    (tmp_path / "a.onnx").write_bytes(b"\x08\x07")
    (tmp_path / "b.keras").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00")
    for name, words in (
        ("a.weights.h5", "weights alone"), ("a.onnx", "an ONNX network"), ("b.keras", "git lfs pull"),
        (tiny_model, ".tflite file already"),
    ):  # fmt: skip
        assert words in refusal(tmp_path / name, drawn)


def test_a_crash_of_the_converter_is_a_sentence(drawn: Path, tmp_path: Path) -> None:
    inputs = keras.Input((16, 16, 3))
    answer = L.Dense(2, activation="softmax")(L.LSTM(4)(L.Reshape((16, 48))(inputs)))
    file = saved(keras.Model(inputs, answer), tmp_path)
    done = command("convert", "--int8", file, "--data", drawn, "--labels", "lymphocyte,monocyte", "--method", "min-max")
    assert_refused(done, "Native code crashed (SIGSEGV)", "LSTM", "try --float32")
