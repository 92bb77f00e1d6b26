"""`benchmark accuracy`, `cross`, `latency`, `locating` and `parity`, each on a few pictures."""

import json
from collections import Counter
from pathlib import Path

import pytest
from conftest import assert_refused, invoke
from PIL import ImageFile

from benchmarks import command, latency, parity, selective
from benchmarks.report import readme, result
from edge import classify, frames
from edge.decide import RISK
from edge.errors import UserError
from edge.model import SHIPPED
from edge.reading import pages


@pytest.mark.slow
def test_accuracy_of_a_file_on_drawn_cells(tiny_model: Path, drawn: Path, tmp_path: Path) -> None:
    done = invoke("benchmarks", "accuracy", tiny_model, "--data", drawn, "--json", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    assert "baseline-int8" in done.stdout and "monocyte recall" in done.stdout
    result = json.loads((tmp_path / "a.json").read_text())["results"]["accuracy"]
    figures = result["models"]["baseline-int8"]["figures"]["all"]
    assert figures["count"] == 16 and figures["balanced_accuracy"]["value"] >= 0.9


@pytest.mark.slow
def test_cross_measures_a_run_as_float_and_int8(tiny_run: Path, drawn: Path, tmp_path: Path) -> None:
    done = invoke("benchmarks", "cross", tiny_run, "--data", drawn, "--json", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    [run] = json.loads((tmp_path / "a.json").read_text())["results"]["cross"]["runs"].values()
    [kinds] = run["figures"].values()
    assert set(kinds) == {"float", "int8"} and kinds["int8"]["count"] == 16 and run["missed"] == {}
    assert kinds["int8"]["intervals"]["balanced_accuracy"]["low"] <= kinds["int8"]["balanced_accuracy"]
    lines = [line for line in done.stdout.splitlines() if line.startswith("| baseline")]
    assert len(lines) == 2 and "(its own)" in lines[0] and "| int8 |" in lines[1]


def test_latency_measures_each_step(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "COLD_RUNS", 1)
    monkeypatch.setattr(command, "MANY_RUNS", 1)
    monkeypatch.setattr("sys.argv", ["benchmark", "latency"])
    done = invoke(
        "benchmarks", "latency", SHIPPED, "--pictures", drawn / "test", "--count", 8, "--many", 8, "--rounds", 2,
        "--warm-up", 1, "--threads", 1, "--threads", 2, "--json", tmp_path / "a.json", "--date", "a day",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "a.json").read_text())
    assert (
        document["date"] == "a day" and document["machine"]["processor"] and document["command"] == "benchmark latency"
    )
    result = document["results"]["latency"]
    [found] = result["sets"].values()
    assert (found["pictures"], found["size"]) == (8, "128x128")
    assert list(found["runs"]) == ["compact-int8, 1 thread", "compact-int8, 2 threads"]
    for run in found["runs"].values():
        steps = run["steps"]
        apart = sum(steps[name]["value"] for name in latency.STEPS)
        assert all(steps[name]["value"] > 0 for name in latency.STEPS) and 0.5 < apart / steps["together"]["value"] < 2
        assert run["first"]["value"] > 0 and run["open"]["value"] > 0 and run["cells"] >= 8
    cold, many = (result["command"][name]["compact-int8"] for name in ("cold", "many"))
    assert 10 < cold["megabytes"]["value"] < 1000 and cold["seconds"]["value"] > 0 and many["seconds"]["value"] > 0
    assert "p99" in done.stdout and "from cold" in done.stdout and "load" in done.stdout


@pytest.fixture(scope="module")
def pictures(drawn: Path) -> list[str]:
    """Enough pictures for their red cells to be measured together."""
    return frames.expand([str(drawn / "test")])


def test_a_timed_run_answers_as_the_command_does(pictures: list[str]) -> None:
    contender = latency.opened(SHIPPED, 1)
    answers = classify.classify(pictures, contender.model, contender.model.rules(RISK))
    expected = [[decision for _, decision in each.cells] for each in answers if isinstance(each, classify.Answer)]
    run = latency.timed_run(pictures, contender)
    assert run.decisions == expected and run.seconds.shape == (16, len(latency.STEPS))
    assert (run.seconds > 0).all() and run.sizes == [(128, 128)] * 16


def test_a_timed_run_decodes_and_locates_each_picture_once(
    pictures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: Counter[str] = Counter()
    decode = pages.decode

    def counted(picture: ImageFile.ImageFile, path: str | Path) -> object:
        decoded[str(path)] += 1
        return decode(picture, path)

    monkeypatch.setattr(pages, "decode", counted)
    steps: Counter[tuple[str, str]] = Counter()
    list(classify.find_cells(pictures, "cell", observe=lambda step, source: steps.update([(step, source)])))
    latency.timed_run(pictures, latency.opened(SHIPPED, 1))
    assert decoded == dict.fromkeys(pictures, 2)  # once in each of the two runs
    assert {steps[step, path] for step in ("decode", "locate", "keep") for path in pictures} == {1}


def test_the_steps_add_up_to_the_run(pictures: list[str]) -> None:
    clock = latency.Clock(pictures[:2])
    began = clock._latest
    for step in latency.STEPS:
        for picture in pictures[:2]:
            clock(step, picture)
    assert clock.seconds.sum() == pytest.approx(clock._latest - began)


def test_stored_results_are_unchanged_when_read_and_written() -> None:
    """This includes results of older versions, which measured fewer steps."""
    for file in readme.REFERENCE.glob("*.json"):
        document = result.read(file)
        if "latency" in document.results:
            found = latency.load(document.results["latency"])
            assert latency.document(found) == document.results["latency"]
            assert "p99" in latency.table(found)


def test_checksums_are_repeatable_and_differ_between_pictures(drawn: Path, tmp_path: Path) -> None:
    for name, kind in (("fields", "monocyte"), ("cells", "lymphocyte")):
        (tmp_path / name).symlink_to(drawn / "test" / kind)
    done = invoke("benchmarks", "parity", tmp_path, "--fields", 3, "--cells", 4)
    assert done.returncode == 0, done.stderr
    digests = list(parity.parity(tmp_path, 3, 4))
    assert done.stdout.splitlines() == "\n".join(map(str, digests)).splitlines()
    assert [(each.name, each.pictures) for each in digests] == [("fields", 3), ("cells", 4)]
    assert len({each.crops for each in digests} | {each.answers for each in digests}) == 4
    empty = tmp_path / "empty"
    (empty / "fields").mkdir(parents=True)
    with pytest.raises(UserError, match="holds no pictures"):
        list(parity.parity(empty))


def test_refusals(tmp_path: Path, drawn: Path) -> None:
    assert_refused(invoke("benchmarks", "accuracy", "--data", tmp_path / "none"), "not a folder")
    assert_refused(invoke("benchmarks", "latency", "--pictures", tmp_path), "no pictures")
    assert_refused(invoke("benchmarks", "latency", "--pictures", tmp_path / "none"), "There is no folder")
    missing = tmp_path / "none.tflite"
    assert_refused(invoke("benchmarks", "latency", missing, "--pictures", drawn), "can't be read")
    assert_refused(
        invoke("benchmarks", "accuracy", SHIPPED, "--data", drawn, "--json", tmp_path / "no" / "a.json"),
        "can't be written",
    )


@pytest.mark.slow
def test_doubt_refuses_a_model_without_the_label_other(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(UserError, match="knows no other"):
        selective.measure(tmp_path, [tiny_model])
