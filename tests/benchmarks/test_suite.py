"""`benchmark accuracy`, `robustness`, `all`, `compare` and `readme`, on drawn cells and with real models."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, assert_refused, invoke
from matplotlib.figure import Figure
from model_files import repack

from benchmarks import accuracy, corruptions, metrics, robustness, suite
from benchmarks import command as process
from benchmarks.report import compare, page, plots, readme, result
from convert import gate
from edge.decide import Decision
from edge.errors import UserError
from edge.model import SHIPPED
from edge.simulator import drawing

LABELS = ("lymphocyte", "monocyte")


def decisions(*answers: str) -> list[Decision]:
    return [
        Decision(each, {label: 0.9 if label == each else 0.1 for label in LABELS}) for each in answers
    ]  # fmt: skip


def test_a_cell_left_for_review_still_counts_for_the_likelier_name() -> None:
    answers = decisions("lymphocyte", "review", "monocyte", "lymphocyte")
    found = metrics.figures(np.array([0, 0, 1, 1]), answers, np.arange(4), LABELS)
    assert (found.coverage.right, found.coverage.count) == (3, 4)
    recalls = [found.classes[label].recall for label in LABELS]
    assert (found.risk.right, found.risk.count) == (1, 3)
    assert [(each.right, each.count) for each in recalls] == [(2, 2), (1, 2)]
    assert found.balanced_accuracy.value == 0.75


def test_photographs_of_one_cell_count_once_in_the_interval() -> None:
    truth, answers = np.array([0, 0, 0, 0, 1, 1]), decisions(*["lymphocyte"] * 4, "monocyte", "monocyte")
    apart, same = (
        metrics.figures(truth, answers, cells, LABELS) for cells in (np.arange(6), np.array([0, 0, 0, 0, 1, 2]))
    )
    lows = [each.classes["lymphocyte"].recall.low for each in (same, apart)]
    assert lows[0] is not None and lows[1] is not None and lows[0] < lows[1]
    assert same.cells == 3


def test_balanced_accuracy_is_undefined_if_a_class_is_missing() -> None:
    found = metrics.figures(np.array([0, 0]), decisions("lymphocyte", "monocyte"), np.arange(2), LABELS)
    assert found.balanced_accuracy.value is None and found.auroc is None
    assert metrics.row(found)[2] == "-"


def test_changes_count_answers_that_got_better_and_worse() -> None:
    truth, before, after = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 0, -1]), np.array([0, 1, 1, 1, 1, 1])
    found = gate.changes(truth, before, after)
    assert (found.changed, found.spoiled, found.mended) == (3, 1, 2) and found.p == 1.0


@pytest.mark.parametrize("kind", corruptions.KINDS)
def test_corruptions_grow_and_are_repeatable(kind: str) -> None:
    image = drawing.picture("monocyte", np.random.default_rng(0), 160, drawing.Look(red_cell=35))
    assert corruptions.corrupt(image, kind, 0, 3) is image
    done = [corruptions.corrupt(image, kind, strength, 3) for strength in corruptions.STRENGTHS]
    assert all(each.dtype == np.uint8 and each.shape[2] == 3 for each in done)
    assert np.array_equal(done[2], corruptions.corrupt(image, kind, 3, 3))
    if kind in ("scale", "cut"):
        assert len({each.shape for each in done}) == 5
        return
    apart = [np.abs(each.astype(int) - image).mean() for each in done]
    assert 0 < apart[0] < apart[2] and apart[0] < apart[4] < 200
    if kind != "rotation":
        assert apart == sorted(apart)


def test_white_balance_changes_red_and_blue_in_opposite_directions() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    red, green, blue = corruptions.corrupt(grey, "white balance", 5, 0)[0, 0].astype(int)
    assert green == 100 and (red - 100) * (blue - 100) < 0


def test_unchanged_pictures_are_answered_as_accuracy_answers_them(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "KINDS", {"noise": corruptions.KINDS["noise"]})
    found = robustness.robustness(drawn, [SHIPPED], 25)
    [model] = found.models.values()
    [plain] = accuracy.accuracy(drawn, [SHIPPED], "test").models.values()
    assert model.unchanged == plain.figures["all"] and model.unchanged.count == found.pictures == 16
    assert list(model.kinds["noise"]) == ["1", "2", "3", "4", "5"] and "noise" in robustness.table(found)


@pytest.mark.parametrize(("name", "plots"), [("runtimes", 3), ("peers", 4)])
def test_a_page_of_stored_results(name: str, plots: int) -> None:
    document = result.read(readme.REFERENCE / f"amd-epyc-{name}.json")
    html = page.page(document)
    assert html.count("data:image/svg+xml") == plots and "<script" not in html
    assert "EPYC" in html and "Not measured" in html and "<th></th>" not in html


def test_the_page_of_a_whole_benchmark_begins_with_int8_against_float() -> None:
    html = page.page(result.read(readme.REFERENCE / "amd-epyc.json"))
    summary, first, *_ = re.findall(r"<p.*?>(.*?)</p>", html)
    assert "EPYC" in summary and first.startswith(
        "compact-int8 against compact-float32, test split: balanced accuracy "
    )
    assert "answers differ" in first and " kB against " in first and " ms against " in first
    assert "<th></th>" not in html and "<th>model</th><th>decode, ms</th>" in html


def test_legends_stand_beside_the_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []

    def svg(figure: Figure) -> str:
        figures.append(figure)
        return ""

    monkeypatch.setattr(plots, "svg", svg)
    page.page(result.read(readme.REFERENCE / "amd-epyc.json"))
    legends = [(axes, legend) for figure in figures for axes in figure.axes if (legend := axes.get_legend())]
    assert len(legends) > 10
    for axes, legend in legends[:: len(legends) // 5]:
        axes.figure.canvas.draw()
        assert legend.get_window_extent().x0 >= axes.get_window_extent().x1
    assert len(figures[1].axes[0].get_xticks()) >= 4, "a narrow logarithmic axis has labels, too"


def test_results_replace_earlier_results_and_nothing_else(drawn: Path, tmp_path: Path) -> None:
    model, picture, link = tmp_path / "model.tflite", tmp_path / "cell.json", tmp_path / "link.html"
    shutil.copy(SHIPPED, model)
    shutil.copy(next(drawn.rglob("*.png")), picture)
    (tmp_path / "notes.html").write_text("<!DOCTYPE html><title>Benchmark on my Pi</title>")
    (tmp_path / "other.json").write_text("{}")
    link.symlink_to("nowhere")
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    for option in ("--json", "--html"):
        for file in (*before, link):
            done = invoke("benchmarks", "accuracy", SHIPPED, "--data", drawn, option, file)
            assert_refused(done, "is not overwritten")
    assert before == {file: file.read_bytes() for file in before} and link.is_symlink()
    assert_refused(invoke("benchmarks", "accuracy", "--json", tmp_path / "no" / "a.json"), "no folder")
    page, table = tmp_path / "new.html", tmp_path / "new.json"
    assert_refused(invoke("benchmarks", "accuracy", "--json", page, "--html", page), "the same file")
    page.touch()
    for _ in range(2):
        done = invoke("benchmarks", "accuracy", SHIPPED, "--data", drawn, "--json", table, "--html", page)
        assert done.returncode == 0 and "Next: benchmark compare" in done.stderr, done.stderr
        assert result.read(table).results and "<h1>" in page.read_text()


@pytest.mark.slow
def test_everything_on_drawn_cells(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "COLD_RUNS", 1)
    monkeypatch.setattr(process, "MANY_RUNS", 1)
    monkeypatch.setattr(suite, "QUICK", suite.Amount(pictures=8, cells=25, many=8))
    done = invoke(
        "benchmarks", "all", SHIPPED, "--data", drawn, "--quick", "--out", tmp_path / "out", "--json",
        tmp_path / "a.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = result.read(tmp_path / "a.json", ["accuracy", "latency", "robustness"])
    found = document.results["robustness"]["models"]["compact-int8"]["kinds"]
    assert found["as they are"]["0"]["count"] == 16 and set(corruptions.KINDS) < set(found)
    assert set(found["noise"]) == {"1", "2", "3", "4", "5"}
    plain = document.results["accuracy"]["models"]["compact-int8"]["figures"]["all"]
    assert plain["balanced_accuracy"] == found["as they are"]["0"]["balanced_accuracy"]
    [file] = (tmp_path / "out").glob("*.html")
    html = file.read_text()
    assert html.count("data:image/svg+xml") >= 1 + 2 + len(corruptions.KINDS)
    assert "<script" not in html and "http" not in html.replace("http://www.w3.org", "")
    rows = compare.compare(document, document)
    assert len(rows) > 60 and not any(row.exceeds for row in rows)
    faster = json.loads((tmp_path / "a.json").read_text())
    [runs] = [each["runs"] for each in faster["results"]["latency"]["sets"].values()]
    [run] = runs.values()
    run["steps"]["invoke"] = {key: value / 100 for key, value in run["steps"]["invoke"].items()}
    (tmp_path / "b.json").write_text(json.dumps(faster))
    rows = compare.compare(document, result.read(tmp_path / "b.json"))
    changed = [row.figure for row in rows if row.exceeds]
    assert len(changed) == 1 and changed[0].endswith("steps / invoke")
    done = invoke("benchmarks", "compare", tmp_path / "a.json", tmp_path / "b.json")
    assert done.returncode == 0 and "1 differ by more than the noise" in done.stdout and "0.01 x" in done.stdout


@pytest.mark.slow
def test_accuracy_of_a_run_compares_its_files_with_its_keras_model(
    cell_model: Path, drawn: Path, tmp_path: Path
) -> None:
    done = invoke("benchmarks", "accuracy", cell_model.parent, "--data", drawn, "--json", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    models = json.loads((tmp_path / "a.json").read_text())["results"]["accuracy"]["models"]
    assert list(models) == ["baseline-keras", "baseline-int8"]
    assert models["baseline-int8"]["changes"]["reference"] == "baseline-keras"
    assert models["baseline-int8"]["changes"]["count"] == 16 and "changes" not in models["baseline-keras"]
    assert "McNemar" in done.stdout


def test_float_and_int8_are_answered_by_the_same_rules(cell_model: Path, drawn: Path, tmp_path: Path) -> None:
    """A rule that leaves all but the surest cells to review holds for the Keras model, too."""
    run = tmp_path / "run"
    shutil.copytree(cell_model.parent, run)
    file = run / cell_model.name

    def strict(document: dict) -> None:
        document["decision"] = {"temperature": 1.0, "risks": {"0.01": {"sure": 1.01}}}

    repack(cell_model, file, strict)
    found = accuracy.accuracy(drawn, [run], "test").models
    assert [each.figures["all"].coverage.right for each in found.values()] == [0, 0]
    file.unlink()
    with pytest.raises(UserError, match="run `convert --float32"):
        accuracy.accuracy(drawn, [run, SHIPPED], "test")


@pytest.mark.parametrize("page", readme.PAGES, ids=str)
def test_the_documentation_agrees_with_the_committed_results(page: Path) -> None:
    text = (ROOT / page).read_text()
    assert readme.filled(text) == text, "run `benchmark readme`"


def test_readme_updates_the_marked_tables(tmp_path: Path) -> None:
    file = next(each for each in readme.REFERENCE.glob("*.json") if "accuracy" in result.read(each).results)
    mark = f"before\n<!-- benchmark accuracy {file.name} -->\nold\n<!-- end -->\nafter"
    text = readme.filled(mark)
    assert "old" not in text and "| int8 | both |" in text and text.startswith("before") and text.endswith("after")
    assert readme.filled(text) == text
    with pytest.raises(UserError, match="known are accuracy"):
        readme.filled(mark.replace("accuracy", "nothing"))
    with pytest.raises(UserError, match="can't be read"):
        readme.filled(mark.replace(file.name, "none.json"))
    with pytest.raises(UserError, match="Nothing is marked"):
        readme.filled("no region")


def test_reference_results_are_named_by_their_machine() -> None:
    for file in readme.REFERENCE.glob("*.json"):
        document = result.read(file)
        assert file.stem.startswith(document.machine.file_name)
        assert document.machine.raspberry_pi or "raspberry" not in file.stem


@pytest.mark.parametrize(
    ("missing", "arguments", "word"),
    [
        ("sklearn", ["accuracy", "--data", "."], "edge-classify[benchmark]"),
        ("matplotlib", ["all", "--data", "."], "edge-classify[benchmark]"),
        ("keras", ["accuracy", "RUN", "--data", "DATA"], "edge-classify[train]"),
    ],
)
def test_a_missing_package_is_reported_in_one_sentence(
    missing: str, arguments: list[str], word: str, drawn: Path, tmp_path: Path
) -> None:
    places = {"RUN": str(tmp_path), "DATA": str(drawn)}
    line = ["benchmark", *(places.get(each, each) for each in arguments)]
    code = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv = {line!r}\n"
        "from benchmarks.cli import main\nmain()"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert_refused(done, f"{missing} is missing", word)


def test_latency_needs_only_the_packages_of_edge(drawn: Path, tmp_path: Path) -> None:
    """On a Pi, only these packages are installed."""
    line = [
        "benchmark",
        "latency",
        "--pictures",
        str(drawn / "test"),
        "--count",
        "2",
        "--rounds",
        "2",
        "--many",
        "0",
        "--warm-up",
        "1",
    ]
    blocked = ["sklearn", "scipy", "matplotlib", "tensorflow", "keras"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r})); sys.argv = {line!r}\n"
        "from benchmarks.cli import main\nmain()"
    )  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert "together" in done.stdout


def test_refusals(tmp_path: Path, drawn: Path) -> None:
    one = tmp_path / "one"
    for split in ("train", "val", "test"):
        (one / split / "monocyte").mkdir(parents=True)
        for file in (drawn / split / "monocyte").iterdir():
            (one / split / "monocyte" / file.name).write_bytes(file.read_bytes())
    for name in ("accuracy", "robustness"):
        assert_refused(invoke("benchmarks", name, "--data", one), "holds no lymphocyte")
        assert_refused(invoke("benchmarks", name, "--data", tmp_path / "none"), "not a folder")
        assert_refused(invoke("benchmarks", name, tmp_path / "no.tflite", "--data", drawn), "can't be read")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert_refused(invoke("benchmarks", "accuracy", empty, "--data", drawn), "not a finished training run")
    assert_refused(invoke("benchmarks", "compare", tmp_path / "no.json", tmp_path / "no.json"), "can't be read")
    (tmp_path / "x.json").write_text("{}")
    assert_refused(invoke("benchmarks", "compare", tmp_path / "x.json", tmp_path / "x.json"), "was not written by")
    assert_refused(invoke("benchmarks", "readme", tmp_path / "x.json"), "Nothing is marked")
    (tmp_path / "file").write_text("")
    assert_refused(invoke("benchmarks", "all", "--data", drawn, "--out", tmp_path / "file"), "can't be made")
