import json
from pathlib import Path

from conftest import assert_refused, command

from benchmarks import latency
from edge import classify, frames
from edge.decide import RISK
from edge.model import Model


def test_accuracy_of_a_file_on_drawn_cells(tiny_model: Path, drawn: Path, tmp_path: Path) -> None:
    done = command("benchmarks", "accuracy", tiny_model, "--data", drawn, "--json", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    assert "baseline-int8" in done.stdout and "monocyte recall" in done.stdout
    result = json.loads((tmp_path / "a.json").read_text())["results"]["accuracy"]
    figures = result["models"]["baseline-int8"]["figures"]["all"]
    assert figures["count"] == 16 and figures["balanced_accuracy"]["value"] >= 0.9


def test_cross_measures_a_run_as_float_and_int8(tiny_run: Path, drawn: Path, tmp_path: Path) -> None:
    done = command("benchmarks", "cross", tiny_run, "--data", drawn, "--json", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    [run] = json.loads((tmp_path / "a.json").read_text())["results"]["cross"]["runs"].values()
    [kinds] = run["figures"].values()
    assert set(kinds) == {"float", "int8"} and kinds["int8"]["count"] == 16 and run["missed"] == {}
    assert kinds["int8"]["intervals"]["balanced_accuracy"]["low"] <= kinds["int8"]["balanced_accuracy"]
    lines = [line for line in done.stdout.splitlines() if line.startswith("| baseline")]
    assert len(lines) == 2 and "(its own)" in lines[0] and "| int8 |" in lines[1]


def test_latency_takes_the_way_apart(drawn: Path, cell_model: Path, tmp_path: Path) -> None:
    done = command(
        "benchmarks", "latency", cell_model, "--pictures", drawn / "test", "--count", 4, "--many", 8, "--rounds", 2,
        "--warm-up", 1, "--threads", 1, "--threads", 2, "--json", tmp_path / "a.json", "--date", "a day",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["date"] == "a day" and document["machine"]["processor"] and "latency" in document["command"]
    result = document["results"]["latency"]
    [found] = result["sets"].values()
    assert (found["pictures"], found["size"]) == (4, "128x128")
    assert list(found["runs"]) == ["baseline-int8, 1 thread", "baseline-int8, 2 threads"]
    for run in found["runs"].values():
        steps = run["steps"]
        apart = sum(steps[name]["value"] for name in latency.STEPS)
        assert all(steps[name]["value"] > 0 for name in latency.STEPS) and 0.5 < apart / steps["together"]["value"] < 2
        assert run["first"]["value"] > 0 and run["open"]["value"] > 0 and run["cells"] >= 4
    cold, many = (result["command"][name]["baseline-int8"] for name in ("cold", "many"))
    assert 10 < cold["megabytes"]["value"] < 1000 and cold["seconds"]["value"] > 0 and many["seconds"]["value"] > 0
    assert "p99" in done.stdout and "from cold" in done.stdout and "load" in done.stdout


def test_the_way_taken_apart_is_the_runners(drawn: Path, cell_model: Path) -> None:
    model = Model(cell_model)
    find = classify.finder(model.policy)
    for file in sorted(map(str, (drawn / "test").rglob("*.png"))):
        answer = classify.answer(frames.load(file), model, find, model.rules(RISK))
        assert latency.way(file, model, find)[1] == [decision for _, decision in answer.cells]


def test_refusals(tmp_path: Path, tiny_model: Path, drawn: Path) -> None:
    assert_refused(command("benchmarks", "accuracy", "--data", tmp_path / "none"), "not a folder")
    assert_refused(command("benchmarks", "latency", "--pictures", tmp_path), "no pictures")
    assert_refused(command("benchmarks", "latency", "--pictures", tmp_path / "none"), "There is no folder")
    missing = tmp_path / "none.tflite"
    assert_refused(command("benchmarks", "latency", missing, "--pictures", drawn), "can't be read")
    assert_refused(
        command("benchmarks", "accuracy", tiny_model, "--data", drawn, "--json", tmp_path / "no" / "a.json"),
        "can't be written",
    )
