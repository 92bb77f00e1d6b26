"""`edge-classify` as a user runs it."""

import csv
import hashlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, assert_refused, command
from PIL import Image

import edge.cli
from edge import model
from edge.simulator import drawing

pytestmark = pytest.mark.usefixtures("shipped")


@pytest.fixture(scope="module")
def shipped() -> Path:
    return model.SHIPPED


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good pictures and one broken one."""
    place = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for kind in drawing.KINDS:
        Image.fromarray(drawing.picture(kind, rng)).save(place / f"{kind}.png")
    (place / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    return place


def test_table(folder: Path) -> None:
    done = command("edge", folder / "lymphocyte.png", folder / "monocyte.png", "--no-review")
    assert done.returncode == 0 and "Traceback" not in done.stderr
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["answer", "lymphocyte", "monocyte", "other", "picture"]
    assert first.split()[0] == "lymphocyte" and second.split()[0] == "monocyte"
    assert (
        "2 cells in 2 pictures: 1 lymphocyte (50 %), 1 monocyte (50 %)." in done.stderr
        and "not a medical device" in done.stderr
    )


def test_json_lines(folder: Path) -> None:
    done = command("edge", folder, "--json", "-", "--no-review")
    assert done.returncode == 1
    broken, first, second = map(json.loads, done.stdout.splitlines())
    assert set(broken) == {"source", "error"} and broken["source"] == str(folder / "broken.jpg")
    probabilities = first.pop("probabilities")
    assert sum(probabilities.values()) == pytest.approx(1, abs=2e-4) and list(probabilities) == list(
        model.Model().labels
    )
    x, y, width, height = first.pop("box")
    assert x < 128 < x + width and y < 128 < y + height and first.pop("diameter") == pytest.approx(width, abs=2)
    assert 0 <= first.pop("centre_distance") < 0.1 and first.pop("red_cell") == pytest.approx(56, rel=0.2)
    assert 0.05 <= first.pop("red_cell_uncertainty") <= 0.4 and set(first.pop("run")) >= {"unlike", "why"}
    assert first == {
        "source": str(folder / "lymphocyte.png"), "frame": 0, "cell": 0, "at_border": False,
        "label": "lymphocyte", "model": hashlib.sha256(model.SHIPPED.read_bytes()).hexdigest(),
    }  # fmt: skip
    assert second["label"] == "monocyte"
    done = command("edge", folder / "monocyte.png", "--whole-image", "--json", "-")
    whole = json.loads(done.stdout)
    assert whole["box"] == [0, 0, 256, 256] and whole["diameter"] == 256 and whole["centre_distance"] == 0


def test_cells_that_are_not_certain_enough_are_left_for_review(folder: Path, tmp_path: Path) -> None:
    """The network has never seen drawings, so it must leave some of them for review."""
    for i in range(12):
        Image.fromarray(drawing.picture("monocyte", np.random.default_rng(i))).save(tmp_path / f"{i}.png")
    plain, asked = (
        list(map(json.loads, command("edge", tmp_path, "--json", "-", *more).stdout.splitlines()))
        for more in (["--no-review"], ["--risk", 0.01])
    )
    assert {each["label"] for each in plain} <= {"lymphocyte", "monocyte", "other"}
    doubted = [each for each in asked if each["label"] == "review"]
    assert doubted and all(each["reason"] for each in doubted)
    assert [each["probabilities"] for each in plain] == [each["probabilities"] for each in asked]
    for one, other in zip(plain, asked, strict=True):
        assert other["label"] in (one["label"], "review")
    assert "to review" in command("edge", tmp_path, "--csv", tmp_path / "a.csv").stderr
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [row["reason"] for row in csv.DictReader(file) if row["label"] == "review"] == [
            each["reason"] for each in doubted
        ]
    assert_refused(command("edge", tmp_path, "--risk", 0.0001), "it has some for 0.005, 0.01")
    assert_refused(command("edge", tmp_path, "--risk", 0.01, "--no-review"), "leave out --risk")


def test_files_a_pattern_and_standard_input_give_the_same_answers(folder: Path, tmp_path: Path) -> None:
    paths = [str(folder / "lymphocyte.png"), str(folder / "monocyte.png")]
    direct = command("edge", *paths, "--json", "-").stdout
    assert command("edge", f"{folder}/*.png", "--json", "-").stdout == direct
    assert command("edge", "-", "--json", "-", stdin="\n".join(paths) + "\n").stdout == direct
    assert command("edge", *paths, "--json", tmp_path / "a.json", "--threads", "2").stdout.startswith("answer")
    assert (tmp_path / "a.json").read_text() == direct


def test_csv(folder: Path, tmp_path: Path) -> None:
    assert command("edge", folder, "--csv", tmp_path / "a.csv", "--no-review").returncode == 1
    with (tmp_path / "a.csv").open(newline="") as file:
        broken, first, _ = csv.DictReader(file)
    assert broken["error"] and not broken["label"]
    assert first["label"] == "lymphocyte" and float(first["p_lymphocyte"]) > 0.5 and 60 < int(first["width"]) < 160
    assert first["at_border"] == "False"


def test_annotate(folder: Path, tmp_path: Path) -> None:
    twin = tmp_path / "other" / "lymphocyte.png"
    twin.parent.mkdir()
    twin.write_bytes((folder / "lymphocyte.png").read_bytes())
    out = tmp_path / "out" / "deep"
    assert command("edge", folder / "lymphocyte.png", twin, "--annotate", out).returncode == 0
    assert sorted(p.name for p in out.iterdir()) == ["lymphocyte-2.annotated.jpg", "lymphocyte.annotated.jpg"]
    before = np.asarray(Image.open(folder / "lymphocyte.png")).astype(int)
    after = np.asarray(Image.open(out / "lymphocyte.annotated.jpg")).astype(int)
    assert after.shape == before.shape
    changed = np.abs(after - before).max(axis=2) > 60  # a box and a label, and nothing inside the box
    assert changed.any() and not changed[110:146, 110:146].any() and not changed[:40, :40].any()


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[drawing.Truth]]:
    """A drawn field with four cells that don't touch."""
    image, truth = drawing.field(np.random.default_rng(2), 4, kinds=drawing.KINDS)
    path = tmp_path_factory.mktemp("field") / "field.png"
    Image.fromarray(image).save(path)
    return path, truth


def test_a_field_gives_one_answer_per_cell(field: tuple[Path, list[drawing.Truth]], cell_model: Path) -> None:
    path, truth = field
    done = command("edge", path, "--model", cell_model, "--json", "-")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and [a["cell"] for a in answers] == list(range(len(truth)))
    for t in truth:
        (match,) = (a for a in answers if abs(a["box"][0] + a["box"][2] / 2 - t.x) < t.radius
                    and abs(a["box"][1] + a["box"][3] / 2 - t.y) < t.radius)  # fmt: skip
        assert 0.6 < match["diameter"] / (2 * t.radius) < 1.6 and not match["at_border"]
    assert "#3" in command("edge", path, "--model", cell_model).stdout


def test_single_answers_only_the_cell_in_the_middle(
    field: tuple[Path, list[drawing.Truth]], cell_model: Path, tmp_path: Path
) -> None:
    path, truth = field
    Image.new("RGB", (300, 200), "white").save(tmp_path / "empty.png")
    done = command("edge", path, tmp_path / "empty.png", "--single", "--model", cell_model, "--json", "-")
    answer, fallback = map(json.loads, done.stdout.splitlines())
    nearest = min(truth, key=lambda t: np.hypot(t.x - 320, t.y - 240))
    x, y, w, h = answer["box"]
    assert x < nearest.x < x + w and y < nearest.y < y + h
    assert answer["centre_distance"] == pytest.approx(np.hypot(nearest.x - 320, nearest.y - 240) / 800, abs=0.03)
    assert fallback["box"] == [0, 0, 300, 200] and fallback["centre_distance"] == 0


def test_whole_image_does_not_search_for_cells(field: tuple[Path, list[drawing.Truth]], cell_model: Path) -> None:
    done = command("edge", field[0], "--whole-image", "--model", cell_model, "--json", "-")
    (answer,) = map(json.loads, done.stdout.splitlines())
    assert answer["box"] == [0, 0, 640, 480]
    assert_refused(command("edge", field[0], "--whole-image", "--single"), "use only one of them")


def test_a_picture_without_cells_is_answered_with_no_cell(tmp_path: Path, cell_model: Path) -> None:
    Image.new("RGB", (300, 200), "white").save(tmp_path / "empty.png")
    options = ("--model", cell_model, "--annotate", tmp_path)
    done = command("edge", tmp_path / "empty.png", "--json", "-", "--csv", tmp_path / "a.csv", *options)
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and answer["cells"] == 0 and "label" not in answer
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 2
    assert command("edge", tmp_path / "empty.png", *options).stdout.splitlines()[1].startswith("no cell")


def test_explain_shows_field_absorbance_marks_and_crops(
    field: tuple[Path, list[drawing.Truth]], cell_model: Path, tmp_path: Path
) -> None:
    assert command("edge", field[0], "--explain", tmp_path, "--model", cell_model).returncode == 0
    sheet = np.asarray(Image.open(tmp_path / "field.explained.jpg")).astype(int)
    size = model.Model(cell_model).size
    assert sheet.shape[1] >= 3 * 320 and sheet.shape[0] >= 240 + size
    marks = sheet[30:270, 2 * 328 + 8 : 2 * 328 + 328]
    assert 0.005 < (marks.min(axis=2) > 200).mean() < 0.3  # white spots on black: the nuclei


def test_verify() -> None:
    done = command("edge", "--verify")
    assert done.returncode == 0 and "All 8 sample answers are as expected" in done.stdout


def test_file_names_with_odd_bytes_are_escaped(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9 \x1b[31m.png"  # Latin-1 and an escape sequence
    with open(name, "wb") as file:  # noqa: PTH123
        Image.new("RGB", (50, 50), "white").save(file, "png")
    done = subprocess.run([sys.executable, "-m", "edge", str(tmp_path), "--json", "-"], capture_output=True, timeout=60)
    assert done.returncode == 0 and json.loads(done.stdout)["source"].endswith(".png")
    done = subprocess.run([sys.executable, "-m", "edge", str(tmp_path)], capture_output=True, timeout=60)
    assert done.returncode == 0 and b"\x1b" not in done.stdout, done.stderr


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (16, 16)])
def test_tiny_and_long_pictures_get_an_answer(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, "white").save(tmp_path / "a.png")
    assert command("edge", tmp_path / "a.png", "--annotate", tmp_path).returncode == 0


def test_a_batch_goes_on_past_every_bad_file(folder: Path, tmp_path: Path) -> None:
    good = folder / "lymphocyte.png"
    whole = good.read_bytes()
    bad = {"cut.png": whole[: len(whole) // 2], "empty.jpg": b"", "text.jpg": b"hello"}
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    done = command(
        "edge", *(tmp_path / name for name in bad), tmp_path / "missing.png", good, "--json", "-", "--no-review"
    )
    *errors, last = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1 and len(errors) == 4 and all(e["error"].endswith(".") for e in errors)
    assert last["label"] == "lymphocyte" and "Traceback" not in done.stderr


def test_errors_of_the_user_are_refused_in_one_sentence(folder: Path, tmp_path: Path) -> None:
    good = folder / "lymphocyte.png"
    (tmp_path / "text.tflite").write_text("no model")
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    assert_refused(command("edge"), "Give the paths of pictures")
    assert_refused(command("edge", tmp_path / "missing.png"), "missing.png")
    assert_refused(command("edge", tmp_path / "empty"), "No pictures")
    assert_refused(command("edge", "-", stdin=""), "No pictures")
    assert_refused(command("edge", good, "--model", tmp_path / "text.tflite"), "not a TFLite model")
    assert_refused(command("edge", good, "--model", tmp_path / "none.tflite"), "No such file")
    assert_refused(command("edge", good, "--json", tmp_path / "none" / "a.json"), "No such file")
    assert_refused(command("edge", good, "--annotate", tmp_path / "file"), "exists")
    assert_refused(command("edge", good, "--threads", "0"), "--threads")
    assert_refused(command("edge", good, "--csv", good), "holds something other than these results")
    assert good.stat().st_size > 1000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_full_disk(folder: Path, option: str) -> None:
    assert_refused(command("edge", folder / "lymphocyte.png", option, "/dev/full"), "No space left")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_full_disk_when_standard_output_is_redirected(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edge", str(folder / "lymphocyte.png")],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert_refused(done, "No space left")


@pytest.mark.parametrize("threads", [0, 1])
def test_the_process_ends_at_once_unless_it_has_threads(folder: Path, threads: int) -> None:
    """It then leaves out what Python does last. All output is written, and the exit code is the command's."""
    code = (
        "import atexit, sys, threading\nfrom edge.__main__ import run\natexit.register(print, 'taken apart')\n"
        f"for _ in range({threads}): threading.Timer(3, print).start()\nrun()"
    )
    arguments = ["--jobs", "1", "--json", "-", str(folder / "lymphocyte.png"), str(folder / "nothing.png")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    first, second, *last = done.stdout.splitlines()
    assert done.returncode == 1 and "label" in json.loads(first) and "error" in json.loads(second), done.stderr
    assert ("taken apart" in last) == bool(threads) and "1 could not be read" in done.stderr


def terminal(*arguments: str) -> str:
    """What a command shows on a terminal, on both stdout and stderr."""
    shown = []

    def read(fd: int) -> bytes:
        shown.append(os.read(fd, 4096))
        return shown[-1]

    status = pty.spawn([sys.executable, "-m", "edge", *arguments], read)
    assert status == 0
    return b"".join(shown).decode()


def test_progress_is_shown_only_on_a_terminal_and_only_for_many_pictures(folder: Path, tmp_path: Path) -> None:
    content = (folder / "lymphocyte.png").read_bytes()
    for i in range(30):
        (tmp_path / f"{i:02}.png").write_bytes(content)
    shown = terminal(str(tmp_path))
    assert "Reading pictures" in shown and "30/30" in shown and shown.count("29.png") == 1
    assert "Reading" not in terminal(str(tmp_path / "01.png"))
    assert "Reading" not in command("edge", tmp_path).stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_leaves_no_partial_lines_or_pictures(name: str, tmp_path: Path) -> None:
    count, out = 400, tmp_path / "out"
    (tmp_path / "in").mkdir()
    for i in range(count):
        (tmp_path / "in" / f"{i}.jpg").symlink_to(ROOT / "docs" / "drawn-monocyte-3.annotated.jpg")
    arguments = ["--json", tmp_path / "a.json", "--csv", tmp_path / "a.csv", "--annotate", out, tmp_path / "in"]
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and len(list(out.glob("*"))) < 3:
        time.sleep(0.01)
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in err
    [done] = map(int, re.findall(rf"Stopped after (\d+) of {count} pictures", err))
    lines = (tmp_path / "a.json").read_text().splitlines()
    assert len({json.loads(line)["source"] for line in lines}) == done < count
    with (tmp_path / "a.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(lines)
    pictures = list(out.iterdir())
    assert len(pictures) == done
    for picture in pictures:
        with Image.open(picture) as opened:
            opened.load()


def test_a_field_needs_little_memory(tmp_path: Path) -> None:
    """At most 130 MB of resident memory, libraries included: a Pi may have 512 MB."""
    field = drawing.field(np.random.default_rng(0), 6, shape=(900, 1440), look=drawing.Look(red_cell=60))[0]
    Image.fromarray(field).save(tmp_path / "field.png")
    code = "from edge.cli import main\ntry: main()\nfinally: print(open('/proc/self/status').read())"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "field.png"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "#5" in done.stdout, done.stderr
    [peak] = map(int, re.findall(r"^VmHWM:\s+(\d+) kB", done.stdout, re.M))
    assert peak * 1024 <= 130e6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--size", "00x10"), "not a size"),
        (("--size", "1280"), "not a size"),
        (("--exposure", "0"), "--exposure can only be used with --camera"),
        (("--fourcc", "MJPEG"), "four characters"),
        (("--csv", "-"), "--csv writes a file"),
        (("--ruler", "0"), "is not run, picture"),
        (("--ruler", "nan"), "is not run, picture"),
        (("--risk", "nan"), "nan is not a number that can be used"),
        (("--seconds", "inf"), "inf is not a number that can be used"),
        (("--fps", "1e-9"), "is not in the range"),
        (("--exposure", "-1"), "is not in the range"),
    ],
)
def test_options_that_make_no_sense(options: tuple[str, str], words: str) -> None:
    assert_refused(command("edge", ROOT / "docs" / "drawn-monocyte-3.annotated.jpg", *options), words)


def test_help_shows_every_option_in_a_group() -> None:
    text = command("edge", "--help").stdout
    for parameter in edge.cli.main.params:
        for name in parameter.opts if parameter.param_type_name == "option" else ():
            assert f"{name} " in text or f"{name}\n" in text, name
    assert [text.index(f"{title}:") for title in edge.cli._GROUPS] == sorted(
        text.index(f"{t}:") for t in edge.cli._GROUPS
    )


def test_what_is_left_out_of_a_folder_is_said(tmp_path: Path) -> None:
    """A second run doesn't read the pictures that the first one wrote into the same folder."""
    Image.fromarray(drawing.picture("monocyte", np.random.default_rng(0))).save(tmp_path / "a.png")
    (tmp_path / "notes.txt").touch()
    outputs = ("--annotate", tmp_path, "--explain", tmp_path / "seen")
    first, second = (command("edge", tmp_path, *outputs, "--json", "-") for _ in range(2))
    assert first.returncode == second.returncode == 0 and first.stdout == second.stdout != ""
    assert "Left out: files of other kinds (1 .txt).\n" in first.stderr
    assert "pictures with answers drawn on them (2)" in second.stderr
    named = command("edge", tmp_path / "a.annotated.jpg", "--json", "-")
    assert "a.annotated.jpg" in named.stdout and "Left out" not in named.stderr


def test_a_path_that_does_not_exist_is_called_that(folder: Path, tmp_path: Path) -> None:
    assert_refused(command("edge", tmp_path / "a.png"), f"{tmp_path}/a.png does not exist.")
    assert_refused(command("edge", tmp_path / "gone[1].png"), "gone[1].png does not exist.")
    done = command("edge", folder / "monocyte.png", tmp_path / "gone[1].png")
    assert done.returncode == 1 and "gone[1].png' does not exist" in done.stderr
    (tmp_path / "a.nd2").touch()
    assert_refused(command("edge", tmp_path), "No pictures found", "1 .nd2")
    done = command("edge", "rtsp://user:secret@127.0.0.1/live")
    assert_refused(done, "rtsp://127.0.0.1/live", "--camera")
    assert "secret" not in done.stderr


def test_a_poor_ruler_of_few_pictures_is_said(data: Path) -> None:
    """And not where the red cells of a single picture measure well."""
    fields = [data / "fields" / "bccd" / f"BloodImage_{number:05}.jpg" for number in range(4)]
    done = command("edge", *fields)
    assert "poor ruler" in done.stderr or "hard to measure" in done.stderr
    assert "--ruler" in done.stderr and "--ruler" not in command("edge", *fields, "--ruler", "84").stderr
