import json
from pathlib import Path

from conftest import assert_refused, command


def test_accuracy_of_a_file_on_drawn_cells(tiny_model: Path, drawn: Path, tmp_path: Path) -> None:
    done = command("benchmarks", "accuracy", tiny_model, "--data", drawn, "--json", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    assert "baseline-int8" in done.stdout and "monocyte recall" in done.stdout
    result = json.loads((tmp_path / "a.json").read_text())
    figures = result["models"]["baseline-int8"]["by_source"]["all"]
    assert figures["count"] == 16 and figures["balanced_accuracy"] >= 0.9


def test_cross_measures_a_run_as_float_and_int8(tiny_run: Path, drawn: Path, tmp_path: Path) -> None:
    done = command("benchmarks", "cross", tiny_run, "--data", drawn, "--json", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    [run] = json.loads((tmp_path / "a.json").read_text())["runs"].values()
    [kinds] = run["figures"].values()
    assert set(kinds) == {"float", "int8"} and kinds["int8"]["count"] == 16 and run["missed"] == {}
    assert kinds["int8"]["intervals"]["balanced_accuracy"]["low"] <= kinds["int8"]["balanced_accuracy"]
    lines = [line for line in done.stdout.splitlines() if line.startswith("| baseline")]
    assert len(lines) == 2 and "(its own)" in lines[0] and "| int8 |" in lines[1]


def test_latency_measures_the_command(drawn: Path, tiny_model: Path, tmp_path: Path) -> None:
    done = command(
        "benchmarks", "latency", "--pictures", drawn / "test", "--count", 40,
        "--model", tiny_model, "--json", tmp_path / "a.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["many"]["pictures"] == 40 and result["cold"]["megabytes"] > 10
    assert "per_second" in result["many"] and "40 pictures" in done.stdout


def test_refusals(tmp_path: Path, tiny_model: Path, drawn: Path) -> None:
    assert_refused(command("benchmarks", "accuracy", "--data", tmp_path / "none"), "not a folder")
    assert_refused(command("benchmarks", "latency", "--pictures", tmp_path), "no pictures")
    assert_refused(
        command("benchmarks", "accuracy", tiny_model, "--data", drawn, "--json", tmp_path / "no" / "a.json"),
        "can't be written",
    )
