"""`edge-classify --camera` as a user runs it. Test machines have no camera: sim, a video and a stream stand for one."""

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import assert_refused, command
from live_helpers import SIM, started
from PIL import Image

from edge.simulator import drawing


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two fields, each held for 1 s with a small shake, and a black second between them."""
    path = tmp_path_factory.mktemp("video") / "fields.avi"
    rng = np.random.default_rng(5)
    fields = [drawing.field(rng, 3, shape=(368, 488), look=drawing.Look(red_cell=30))[0] for _ in range(2)]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15, (480, 360))
    for image in (fields[0], np.zeros_like(fields[0]), fields[1]):
        for _ in range(15):
            y, x = rng.integers(2, 7, 2)
            writer.write(np.ascontiguousarray(image[y : y + 360, x : x + 480, ::-1]))
    writer.release()
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def wait_for_rows(path: Path, count: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if path.exists() and path.read_text().count("\n") > count:
            return
        time.sleep(0.05)
    raise AssertionError(f"no {count} cells")


def test_a_video_end_to_end(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "cells"
    done = command("edge", "--camera", video, "--json", "-", "--csv", tmp_path / "a.csv", "--save", out)
    assert done.returncode == 0 and "480x360, MJPG, 15 frames a second" in done.stderr
    answers = [json.loads(text) for text in done.stdout.splitlines()]
    numbers = [a["cell"] for a in answers]
    assert 4 <= len(answers) <= 6 and numbers == list(range(len(numbers)))
    assert {a["frame"] // 15 for a in answers} == {0, 2}  # no cell from the black second
    first = answers[0]
    assert first["source"] == str(video) and first["frames"] >= 3 and first["taken"].endswith("+00:00")
    assert sum(first["probabilities"].values()) == pytest.approx(1, abs=2e-4)
    assert [(r["cell"], r["label"], r["taken"]) for r in rows(tmp_path / "a.csv")] == [
        (str(a["cell"]), a["label"], a["taken"]) for a in answers
    ]
    assert len(list(out.glob("cell-*.crop.png"))) == len(list(out.glob("cell-*.field.jpg"))) == len(answers)
    w = first["box"][2]
    assert len({a["id"] for a in answers}) == len(answers) and first["id"].endswith("-000000")
    assert [a["seconds"] for a in answers] == [round(a["frame"] / 15, 3) for a in answers]
    assert [r["id"] for r in rows(tmp_path / "a.csv")] == [a["id"] for a in answers]
    assert {path.name for path in out.glob("cell-*.field.jpg")} == {f"cell-{a['id']}.field.jpg" for a in answers}
    crop = np.asarray(Image.open(out / f"cell-{first['id']}.crop.png"))
    assert 0.9 * w < crop.shape[1] < 1.7 * w and crop.min() < 110  # the dark nucleus is in it
    assert "45 frames" in done.stderr and "black" in done.stderr and "not a medical device" in done.stderr
    again = command("edge", "--camera", video, "--save", out, "--cells", 1)
    assert "#0" in again.stdout and again.stdout.count("#") == 1
    assert len(list(out.glob("cell-*.crop.png"))) == len(answers) + 1  # nothing of the first session was overwritten


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_a_run_with_complete_results(name: str, tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    with started("--camera", SIM, "--csv", target) as process:
        wait_for_rows(target, 2)
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in err and "not a medical device" in err
    table = rows(target)
    assert len(table) >= 2 and len(table) == out.count("#") and all(row["taken"] for row in table)
    assert target.read_text().endswith("\n")


def test_what_was_shown_is_on_disk_even_if_the_run_is_killed(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    with started("--camera", SIM, "--json", target) as process:
        wait_for_rows(target, 2)
        process.kill()
        process.communicate(timeout=60)
    assert len([json.loads(text) for text in target.read_text().splitlines()]) >= 3


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_restarted_run_appends_to_earlier_results(kind: str, tmp_path: Path) -> None:
    """systemd restarts a run after a crash: earlier results are kept, and a half-written last line is removed."""
    target = tmp_path / f"a.{kind}"
    with started("--camera", SIM, f"--{kind}", target) as process:
        wait_for_rows(target, 3)
        process.kill()
        process.communicate(timeout=60)
    first = target.read_text()
    target.write_text(first + first.splitlines()[-1][:20])  # the power failed
    done = command("edge", "--camera", SIM, "--cells", 2, f"--{kind}", target)
    assert done.returncode == 0, done.stderr
    text = target.read_text()
    assert text.startswith(first) and text[len(first) :].count("\n") == 2 and text.endswith("\n")
    if kind == "csv":
        table = rows(target)
        assert len(table) == first.count("\n") - 1 + 2 and all(row["taken"] and row["label"] for row in table)
    else:
        assert all(json.loads(line)["taken"] for line in text.splitlines())


def test_nothing_is_appended_to_other_results_or_files(tmp_path: Path, video: Path) -> None:
    target = tmp_path / "a.csv"
    for text in ("source,frame\nx,1\n", "a letter", "\n\n"):
        target.write_text(text)
        for kind in ("csv", "json"):
            done = command("edge", "--camera", video, f"--{kind}", target)
            assert_refused(done, f"{target} holds something other than these results; name another file.")
        assert target.read_text() == text


def test_seconds_and_cells_end_a_run() -> None:
    done = command("edge", "--camera", SIM, "--seconds", "1.5")
    assert done.returncode == 0 and "frames" in done.stderr
    done = command("edge", "--camera", SIM, "--cells", "3")
    assert done.returncode == 0 and done.stdout.count("#") == 3


def test_a_folder_as_the_camera(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for i in range(2):
        Image.fromarray(drawing.field(rng, 3)[0]).save(tmp_path / f"{i}.png")
    done = command("edge", "--camera", tmp_path)
    assert done.returncode == 0 and done.stdout.count("#") >= 4
    (tmp_path / "2.png").write_text("broken")
    assert command("edge", "--camera", tmp_path).returncode == 1


def test_flat_from_a_file(tmp_path: Path, video: Path) -> None:
    Image.new("RGB", (480, 360), (230, 220, 210)).save(tmp_path / "flat.png")
    assert command("edge", "--camera", video, "--flat", tmp_path / "flat.png").returncode == 0
    Image.new("RGB", (48, 36), (230, 220, 210)).save(tmp_path / "small.png")
    assert_refused(command("edge", "--camera", video, "--flat", tmp_path / "small.png"), "48x36 pixels")


def test_a_run_goes_on_if_show_finds_no_display(video: Path) -> None:
    without = {"DISPLAY": "", "WAYLAND_DISPLAY": ""}
    done = command("edge", "--camera", video, "--show", environment=without)
    assert done.returncode == 0 and "There is no display, so" in done.stderr and "#0" in done.stdout
    done = command("edge", "--camera", video, "--show", environment={"DISPLAY": ":99999", "WAYLAND_DISPLAY": ""})
    assert done.returncode == 0 and "the work goes on" in done.stderr


HUNG = """
import threading
import edge.live.run
from edge.cli import main


class Hung:
    live, comes_back, unrelated_frames, fps, missing_frames, facts = True, True, False, 0.0, 0, "hung: opened"

    def grab(self):
        threading.Event().wait()


edge.live.run.opener = lambda source, wishes: Hung
edge.live.run.FIRST = float(sys.argv.pop(1))
main()
"""


def hung(patience: float, *arguments: object) -> subprocess.Popen[str]:
    """The command with a camera whose driver never returns: no signal and no other thread can end that call."""
    command = [sys.executable, "-c", "import sys\n" + HUNG, str(patience), "--camera", "0", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_camera_that_never_sends_is_reported(tmp_path: Path) -> None:
    with hung(0.5, "--csv", tmp_path / "a.csv") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "0 is open but sent no picture" in err and "Traceback" not in err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_even_a_camera_that_hangs(name: str, tmp_path: Path) -> None:
    with hung(60, "--csv", tmp_path / "a.csv") as process:
        wait_for_rows(tmp_path / "a.csv", 0)
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "0 frames. No cell" in err and "Traceback" not in err


def test_refusals(tmp_path: Path, video: Path, tiny_model: Path) -> None:
    (tmp_path / "text.avi").write_text("no video")
    assert_refused(command("edge", "--camera", "9"), "There is no camera /dev/video9")
    assert_refused(command("edge", "--camera", "/dev/null"), "/dev/null gives no pictures")
    assert_refused(command("edge", "--camera", "picamera"), "picamera2 is missing")
    assert_refused(command("edge", "--camera", "http://127.0.0.1:1/x"), "sends no pictures")
    assert_refused(command("edge", "--camera", tmp_path / "text.avi"), "is not a video")
    assert_refused(command("edge", "--camera", tmp_path / "none.avi"), "none.avi does not exist.")
    assert_refused(
        command("edge", "--camera", "sim:cells=3"),
        "'cells=3' is not an option with a number; the options are seed, width",
    )
    assert_refused(command("edge", "--camera", video, "--single"), "--single can't be used with --camera")
    assert_refused(command("edge", "--camera", video, tmp_path), "PATHS can't be given together with --camera")
    assert_refused(command("edge", "--camera", video, "--size", "0x3"), "is not a size")
    assert_refused(command("edge", "--camera", video, "--fourcc", "MJ"), "four characters")
    assert_refused(command("edge", "--camera", video, "--flat", tmp_path / "none.png"), "none.png does not exist.")
    assert_refused(command("edge", "--camera", video, "--model", tiny_model), "trained on whole pictures")
    assert_refused(command("edge", "--camera", video, "--csv", "/dev/full"), "No space left")
    assert_refused(command("edge", "--save", tmp_path, "a.png"), "--save can only be used with --camera")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_no_permission_to_use_the_camera() -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("no place for a file below /dev")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        Path(file.name).chmod(0)
        assert_refused(command("edge", "--camera", file.name), f"No permission to use {file.name}; run `sudo usermod")


def test_cells_are_not_saved_into_the_folder_that_is_read(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    assert_refused(command("edge", "--camera", tmp_path, "--save", tmp_path), "--save", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_no_password_reaches_messages_or_results(tmp_path: Path) -> None:
    addresses = (
        "http://user:se/cret@127.0.0.1:1/a?pwd=secret",
        "http://127.0.0.1:1/user=a_password=secret",
        "u:secret@h/a",
    )
    for address in addresses:
        done = command("edge", "--camera", address, "--csv", tmp_path / "a.csv", "--json", tmp_path / "a.jsonl")
        assert_refused(done)
        written = "".join(path.read_text() for path in tmp_path.iterdir())
        assert "cret" not in done.stderr + done.stdout + written
