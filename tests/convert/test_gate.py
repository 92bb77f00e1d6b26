"""The gate: which files are written, the reasons for refusing one, and the repair of a file that failed."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import invoke

from convert import activation_ranges, equalize, gate, layer_errors, quantize, representative
from convert import source as sources
from edge import contract as contracts
from edge.contract import Changes, Loss
from edge.errors import UserError
from edge.model import Model
from train import run as runs
from train.data import crop_cache, dataset
from train.evaluation import evaluate

LABELS = ("lymphocyte", "monocyte")


@pytest.fixture(scope="module")
def outlier(tiny_run: Path, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The tiny run with one weight of one layer three thousand times as large as its others, and that layer's name.

    No layer reads the channel that it computes, so the float network answers as before.
    """
    run = tmp_path_factory.mktemp("runs") / "outlier"
    shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("*.tflite", "*.gate.*"))
    model = keras.models.load_model(run / "model.keras", compile=False)
    first, second = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][1:3]
    kernel, bias = first.get_weights()
    pictures = crop_cache.crops(drawn, dataset.only(dataset.read(drawn), "train"), 32, "whole-image").astype(np.float32)
    inputs = np.asarray(keras.Model(model.inputs, first.input)([pictures])).max(axis=(0, 1, 2))
    largest = np.abs(kernel).max()
    kernel[..., 5] = 0
    kernel[1, 1, inputs.argmax(), 5] = 3000 * largest
    first.set_weights([kernel, bias])
    kernel, bias = second.get_weights()
    kernel[:, :, 5] = 0
    second.set_weights([kernel, bias])
    model.save(run / "model.keras")
    return run, first.name


def test_an_outlier_is_caught_and_its_layer_named(outlier: tuple[Path, str], tmp_path: Path) -> None:
    run, name = outlier
    (tmp_path / "baseline-int8.tflite").write_text("the old one")
    done = invoke("convert", "--int8", run, "--out", tmp_path, "--method", "min-max")
    assert done.returncode == 3, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr and "was not written" in done.stderr and "--rescue" in done.stderr
    named = re.search(r"lose most: ([^,.]+)", done.stderr)
    assert named and named[1] == name
    assert (tmp_path / "baseline-int8.tflite").read_text() == "the old one"
    report = json.loads((tmp_path / "baseline-int8.gate.json").read_text())
    assert not report["gate"]["passed"] and report["layers"][0]["name"] == name
    assert report["gate"]["lost"]["balanced_accuracy"] > 0.005
    page = (tmp_path / "baseline-int8.gate.html").read_text()
    assert "failed" in page and name in page and "http" not in page.replace("http://www.w3.org", "")
    assert '<img alt="histogram of differences" src="data:image/svg+xml;base64,' in page


def test_rescue_repairs_the_outlier_and_prints_the_cost(outlier: tuple[Path, str], tmp_path: Path) -> None:
    run, _ = outlier
    done = invoke("convert", "--int8", run, "--out", tmp_path, "--rescue", "--method", "min-max")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "Rescued: " in done.stdout and "kB and" in done.stdout
    [file] = tmp_path.glob("*.tflite")
    contract = Model(file).contract
    assert file.name == f"baseline-{contract.quantization.kind}.tflite"
    assert contract.rescue and contract.rescue in done.stdout
    attempts = json.loads((tmp_path / "baseline-int8.gate.json").read_text())["attempts"]
    assert attempts[-1]["passed"] and not any(attempt["passed"] for attempt in attempts[:-1])


def test_layers_kept_in_float_repair_the_outlier_and_the_kind_is_mixed(outlier: tuple[Path, str], drawn: Path) -> None:
    source = sources.of_run(outlier[0])
    pictures = source.crops(representative.chosen(dataset.only(source.examples, "train"), 32))
    calibrated = quantize.calibrate(source.model, pictures)
    worst = layer_errors.errors(calibrated, pictures[:8], source.layers())[0]
    assert worst.name == outlier[1] and worst.error > 0.1
    graph = quantize.integer(calibrated, layer_errors.with_readers(calibrated, [worst.tensor]))
    assert quantize.emitted(graph).kind == "mixed"
    assert "CONV_2D" in quantize.floating(graph)
    from convert.candidate import Validation

    candidates = Validation(source).candidates({"int8": quantize.integer(calibrated), "mixed": graph})
    assert not candidates["int8"].passed and candidates["mixed"].passed


def test_an_equalized_network_gives_the_same_answers(outlier: tuple[Path, str]) -> None:
    source = sources.of_run(outlier[0])
    pictures = source.crops(dataset.only(source.examples, "train"))
    balanced = equalize.equalized(source.model, pictures)
    assert balanced is not None
    assert np.abs(runs.predict(balanced, pictures) - runs.predict(source.model, pictures)).max() < 1e-4
    errors = [
        {
            layer.name: layer.error
            for layer in layer_errors.errors(quantize.calibrate(m, pictures), pictures[:8], source.layers())
        }
        for m in (source.model, balanced)
    ]
    assert errors[1][outlier[1]] < errors[0][outlier[1]] / 10


def test_a_network_with_branches_is_not_equalized() -> None:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = keras.layers.Add()([x, keras.layers.Conv2D(4, 3, padding="same")(x)])
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))
    assert equalize.equalized(model, np.zeros((4, 8, 8, 3), np.uint8)) is None


def test_verdict_counts_what_changed() -> None:
    truth = np.array([0] * 200 + [1] * 100)
    before = np.eye(2)[truth] * 0.8 + 0.1
    after = before.copy()
    after[:3] = after[:3, ::-1]  # three lymphocytes are answered wrong
    after[200] = [0.4, 0.6]  # one monocyte has a lower probability
    sources_ = ["a"] * 150 + ["b"] * 150
    verdict = gate.verdict(truth, before, after, sources_, LABELS)
    changes, lost = verdict.answers, verdict.lost
    assert changes == Changes(count=300, changed=3, spoiled=3, mended=0, p=changes.p)
    assert changes.p == pytest.approx(0.25)
    assert (lost.balanced_accuracy, lost.recall) == (pytest.approx(0.0075), 0.0) and verdict.rare == "monocyte"
    assert not verdict.passed and "0.8 points of balanced accuracy" in verdict.against[0]
    assert verdict.differences.largest == pytest.approx(0.8)
    assert gate.verdict(truth, before, after, sources_, LABELS, Loss(0.0075, 0)).passed
    after[200:202] = [0.9, 0.1]  # two of a hundred monocytes
    verdict = gate.verdict(truth, before, after, sources_, LABELS, Loss(1, 0.01))
    assert "2.0 points of monocyte recall where 1.0 are allowed" in verdict.against[0]
    after[0] = np.nan
    assert "not numbers" in gate.verdict(truth, before, after, sources_, LABELS, Loss(1, 1)).against[0]


def test_the_rare_class_of_other_labels() -> None:
    truth = np.array([0, 1, 1, 2, 2, 2])
    p = np.eye(3)[truth]
    assert gate.verdict(truth, p, p, ["a"] * 6, ("x", "y", "z")).rare == "x"
    assert gate.verdict(truth, p, p, ["a"] * 6, ("y", "z", "other")).rare == "y", "other isn't a name"


def small(spoiled: int, each: int = 8) -> gate.Verdict:
    """A val split of a few pictures, all of which the float model answers rightly. spoiled: monocytes that it loses."""
    truth = np.array([0] * each + [1] * each)
    before = np.eye(2)[truth]
    after = before.copy()
    after[each : each + spoiled] = before[0]
    return gate.verdict(truth, before, after, ["a"] * len(truth), LABELS)


def test_with_few_pictures_one_changed_answer_does_not_decide() -> None:
    assert small(0).passed and small(1).passed and small(2).passed and not small(3).passed and not small(8).passed
    said = gate.sentence(small(1))
    assert said.startswith("Passed: -6.2 points of balanced accuracy, -12.5 points of monocyte recall; 1 of 16 answers")
    assert "Val is small: one picture weighs 6.2 points of balanced accuracy (80 % interval of the change: " in said
    assert "and 12.5 points of monocyte recall (80 % interval of the change: -27.7 to +7.7)." in said
    assert not small(2, each=100).few and small(1, each=100).passed and not small(2, each=100).passed


@pytest.mark.parametrize(
    ("right", "count", "chance"), [((4, 4), 8, True), ((8, 8), 8, False), ((60, 60), 100, False), ((99, 5), 100, True)]
)
def test_guessing_never_passes(right: tuple[int, int], count: int, chance: bool) -> None:
    truth = np.repeat([0, 1], count)
    called = np.concatenate([np.where(np.arange(count) < n, label, 1 - label) for label, n in enumerate(right)])
    answers = np.eye(2)[called]
    verdict = gate.verdict(truth, answers, answers, ["a"] * len(truth), LABELS)
    assert (verdict.chance, verdict.passed) == (chance, not chance)
    assert any("no better than guessing" in each for each in verdict.against) == chance


def test_the_contract_holds_the_verdict_and_the_report_holds_everything(tiny_model: Path) -> None:
    document = contracts.write(Model(tiny_model).contract)
    report = json.loads((tiny_model.parent / "baseline-int8.gate.json").read_text())
    assert document["gate"]["split"] == "val" and document["gate"]["lost"] == report["gate"]["lost"]
    assert report["gate"]["passed"] and report["quantization"] == document["quantization"]
    assert report["calibration"]["compared"].keys() == set(activation_ranges.METHODS)
    assert document["calibration"]["method"] == report["calibration"]["method"]
    nearest = min(report["calibration"]["compared"].values(), key=lambda c: (not c["passed"], c["difference"]))
    assert report["calibration"]["compared"][document["calibration"]["method"]] == nearest
    assert report["bytes"]["quantized"] == tiny_model.stat().st_size
    assert report["milliseconds"]["float"] > 0 and len(report["layers"]) >= 4
    assert "passed" in (tiny_model.parent / "baseline-int8.gate.html").read_text()


def test_ranges_of_each_method(tiny_run: Path) -> None:
    source = sources.of_run(tiny_run)
    pictures = source.crops(dataset.only(source.examples, "train"))
    calibrated = quantize.calibrate(source.model, pictures)
    narrowed = activation_ranges.narrowed(calibrated, pictures, activation_ranges.METHODS)
    assert narrowed["min-max"] == calibrated
    widths = {method: _widths(graph) for method, graph in narrowed.items()}
    for method in ("percentile", "mse"):
        assert widths[method].keys() == widths["min-max"].keys()
        assert all(widths[method][i] <= w + 1e-6 for i, w in widths["min-max"].items())
        assert sum(widths[method].values()) < sum(widths["min-max"].values())
        assert quantize.emitted(quantize.integer(narrowed[method])).kind == "int8"


def _widths(graph: bytes) -> dict[int, float]:
    from ai_edge_litert import schema_py_generated as schema

    tensors = schema.ModelT.InitFromPackedBuf(graph, 0).subgraphs[0].tensors
    quantizations = {i: t.quantization for i, t in enumerate(tensors) if t.quantization is not None}
    return {i: float(q.max[0] - q.min[0]) for i, q in quantizations.items() if q.min is not None}


def test_mse_and_percentile_clip_a_long_tail() -> None:
    counts = np.zeros(activation_ranges._BINS, np.int64)
    counts[:100] = 10_000  # nearly all values lie in the lowest twentieth of the range
    counts[-1] = 1
    low, high = activation_ranges._percentile(counts, 0.0, 2048.0)
    assert low == 0 and 99 <= high <= 101
    low, high = activation_ranges._least_error(counts, 0.0, 2048.0)
    assert low == 0 and high < 2048
    even = np.full(activation_ranges._BINS, 1000)
    assert activation_ranges._least_error(even, -1.0, 1.0)[1] > 0.98  # clipping would gain nothing


def test_a_copy_of_a_val_picture_is_refused_for_calibration(drawn: Path) -> None:
    examples = dataset.read(drawn)
    training, val = dataset.only(examples, "train")[:3], dataset.only(examples, "val")[:2]
    crops = crop_cache.crops(drawn, training, 32, "whole-image")
    representative.unseen(training, crops, crop_cache.crops(drawn, val, 32, "whole-image"))
    with pytest.raises(UserError, match="can't be used for calibration"):
        representative.unseen(training, crops, crops[2:])


@pytest.fixture(scope="module")
def four_kinds(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder with the tiny run in all four kinds, and what the command printed."""
    out = tmp_path_factory.mktemp("kinds")
    done = invoke("convert", "--all", tiny_run, "--out", out)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_all_four_kinds(four_kinds: tuple[Path, str]) -> None:
    folder, printed = four_kinds
    sizes = {}
    for kind in quantize.KINDS:
        file = folder / f"baseline-{kind}.tflite"
        model = Model(file)
        assert model.contract.quantization.kind == kind == quantize.emitted(file.read_bytes()).kind
        assert model._input["dtype"] == np.uint8 and model.verify() == (4, 4)
        assert f"Read back from the file: {kind};" in printed
        sizes[kind] = file.stat().st_size
    assert sizes["int8"] < sizes["float16"] < sizes["float32"] and sizes["dynamic"] < sizes["float16"]


def test_float32_is_the_keras_model(four_kinds: tuple[Path, str], tiny_run: Path, drawn: Path) -> None:
    model = Model(four_kinds[0] / "baseline-float32.tflite")
    crops = crop_cache.crops(drawn, dataset.only(dataset.read(drawn), "test"), 32, model.policy)
    expected = keras.models.load_model(tiny_run / "model.keras").predict(crops.astype(np.float32), verbose=0)
    assert np.abs(gate.answers(model, crops) - expected).max() < 1e-5


def test_float32_of_real_cells_is_the_keras_model(
    four_kinds: tuple[Path, str], tiny_run: Path, data_pictures: np.ndarray
) -> None:
    model = Model(four_kinds[0] / "baseline-float32.tflite")
    expected = runs.predict(runs.read(tiny_run)[1], data_pictures)
    assert np.abs(gate.answers(model, data_pictures) - expected).max() <= 1e-4


@pytest.fixture
def data_pictures(data: Path) -> np.ndarray:
    """Crops of 1,000 real cells."""
    chosen = dataset.only(dataset.read(data), "test")[:1000]
    return crop_cache.crops(data, chosen, 32, "whole-image")


def test_a_full_disk_leaves_no_half_file(tiny_model: Path, tmp_path: Path) -> None:
    """A limit on the size of files takes the place of a full disk: writing stops midway with an error of the kernel."""
    (tmp_path / "a.tflite").write_text("the old one")
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from train import report\n"
        "source, target = map(Path, sys.argv[1:])\n"
        "content = source.read_bytes()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) // 2, -1))\n"
        "try: report.write(target.parent, {target.name: content})\n"
        "except Exception as error: print(type(error).__name__, error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tiny_model, tmp_path / "a.tflite"], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.startswith("UserError") and "can't be written: File too large" in done.stdout, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["a.tflite"] and (tmp_path / "a.tflite").read_text() == "the old one"


def test_max_drop_decides(tiny_run: Path, tmp_path: Path) -> None:
    """With an allowed loss of 0, a network passes only if it loses nothing at all."""
    done = invoke("convert", "--int8", tiny_run, "--out", tmp_path, "--max-drop", 0, 0, "--method", "min-max")
    verdict = json.loads((tmp_path / "baseline-int8.gate.json").read_text())["gate"]
    lost = max(verdict["lost"].values()) > 1e-9
    assert verdict["limits"] == {"balanced_accuracy": 0.0, "recall": 0.0}
    assert (done.returncode, (tmp_path / "baseline-int8.tflite").exists()) == ((3, False) if lost else (0, True))


def test_the_verdict_holds_figures_by_source() -> None:
    truth, p = np.array([0, 1]), np.eye(2)
    verdict = gate.verdict(truth, p, p, ["a", "b"], LABELS)
    assert verdict.before == evaluate.by_source(truth, p, ["a", "b"], LABELS) and verdict.answers.p == 1.0
