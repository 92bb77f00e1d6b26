"""README and docs: commands parse, examples run, links have targets, figures are those of the shipped model."""

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from conftest import ROOT, command

import benchmarks.cli
import convert.__main__
import convert.cli
import edge.__main__
import edge.archive.__main__
import edge.archive.cli
import edge.cli
import edge.count.cli
import edge.doctor.cli
import edge.site.cli
import train.cli
from edge import model
from edge.contract import Figures

TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
FILES = [*(ROOT / name for name in TOP), *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = {file: file.read_text() for file in FILES}
README = PAGES[ROOT / "README.md"]
FIGURES = "\n".join(text for file, text in PAGES.items() if file.parent.name == "figures")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MAINS = {
    "edge-classify": edge.cli.main,
    "edge-count": edge.count.cli.main,
    "edge-site": edge.site.cli.main,
    "edge-doctor": edge.doctor.cli.main,
    "edge-archive": edge.archive.cli.main,
    "train": train.cli.main,
    "convert": convert.cli.main,
    "benchmark": benchmarks.cli.main,
}
SECOND_NAMES = {f"edge-{name}": MAINS[name] for name in ("train", "convert", "benchmark")}
# Programs from outside this project that a page may tell its reader to run.
OTHERS = {"tar", "sudo", "minisign", "journalctl", "python3", "~/edge-classify-32/bin/pip", "git", "cd"}
MOST_WORDS = 1500  # in README, including its tables and code
MOST_LINES = 59  # in an example


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def prose(text: str) -> str:
    """A page without its fenced code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def typed(text: str) -> set[str]:
    """What a page tells its reader to type: lines of `sh` blocks, commands at a prompt, and commands in a sentence."""
    lines = {line for block in blocks(text, "sh") for line in block.splitlines()}
    lines |= {line[2:] for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")}
    inline = {" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(text))}
    known = re.compile(rf"({'|'.join(MAINS)}) |make [a-z-]+( [A-Z]+=\S+)?$|python (-m )?[a-z]+[./]")
    return {line for line in lines | {code for code in inline if known.match(code)} if line}


LINES = sorted({line for text in PAGES.values() for line in typed(text)})


def parses(main: click.Command, arguments: list[str]) -> None:
    if "--help" in arguments:
        return
    if (
        isinstance(main, click.Group) and len(arguments) == 1
    ):  # a sentence names a subcommand or option without arguments
        options = {name for child in main.commands.values() for each in child.params for name in each.opts}
        assert arguments[0] in main.commands or arguments[0] in options
        return
    context = main.make_context("test", arguments)
    if isinstance(main, click.Group):
        _, child, more = main.resolve_command(context, arguments)
        assert child
        parses(child, more)


@pytest.mark.parametrize("line", LINES)
def test_commands_exist(line: str) -> None:
    name, *arguments = shlex.split(line, comments=True)
    if name in MAINS:
        parses(MAINS[name], arguments)
    elif name == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.M)
    elif name in ("python", ".venv/bin/python") and arguments[0] == "-m":
        assert importlib.util.find_spec(arguments[1]), line
        assert all((ROOT / each).exists() for each in arguments[2:] if each.startswith("tests/"))
    elif name in ("python", ".venv/bin/python"):
        assert (ROOT / arguments[0]).is_file()
    else:
        assert name in OTHERS, line


def test_each_command_is_installed_under_its_names() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts) == set(MAINS | SECOND_NAMES)
    for name, place in scripts.items():
        module, function = place.split(":")
        main = getattr(importlib.import_module(module), function)
        if main in (edge.__main__.run, edge.archive.__main__.run):  # which run the command, and end the process
            main = sys.modules[main.__module__].main
        # `convert` runs convert.cli in a process of its own.
        assert main is (convert.__main__.main if name.endswith("convert") else (MAINS | SECOND_NAMES)[name])


def test_there_are_commands_to_test() -> None:
    assert {line.split()[0] for line in LINES} >= {*MAINS, "make"}


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python in a folder, with the packages of this checkout."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, *map(str, words)]
    return subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that contains demo/, the pictures that `make demo` draws, and outlines/, one of them for QuPath."""
    folder = tmp_path_factory.mktemp("docs")
    assert run("-m", "edge.simulator", "demo", folder=folder).returncode == 0
    assert run("-m", "edge", "demo/drawn-field-1.png", "--geojson", "outlines", folder=folder).returncode == 0
    return folder


@pytest.mark.parametrize("page", ["README.md", "docs/files.md"])
def test_the_output_shown_is_the_output(page: str, demo: Path) -> None:
    [block] = [block for block in blocks(PAGES[ROOT / page], "console") if "demo/drawn" in block]
    prompt, *shown = block.splitlines()
    done = run("-m", "edge", *shlex.split(prompt)[2:], folder=demo)
    assert [*done.stdout.splitlines(), *done.stderr.splitlines()] == shown


def test_the_json_shown_is_the_json(demo: Path) -> None:
    [block] = blocks(PAGES[ROOT / "docs/files.md"], "json")
    done = run("-m", "edge", "demo/drawn-field-2.png", "demo/drawn-lymphocyte-1.png", "--json", "-", folder=demo)
    start, _, end = re.sub(r"\n *", " ", block.strip()).partition("…")
    assert done.stdout.startswith(start) and end == '"}'


def test_the_model_file_verifies_as_shown() -> None:
    [block] = blocks(PAGES[ROOT / "docs/model-file.md"], "console")
    _, prompt, shown = block.splitlines()
    done = command("convert", *shlex.split(prompt)[2:])
    assert done.stdout.strip() == shown


SNIPPETS = [(file.name, code) for file, text in PAGES.items() for code in blocks(text, "python")]


@pytest.mark.parametrize(("page", "code"), SNIPPETS, ids=[f"{page}-{i}" for i, (page, _) in enumerate(SNIPPETS)])
def test_snippets_compile_and_their_imports_exist(page: str, code: str) -> None:
    for node in ast.walk(ast.parse(code, page)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")


def test_the_python_page_runs(demo: Path) -> None:
    """Runs its snippets one after the other, as a reader would, in a folder with the demo's pictures."""
    code = "\n".join(blocks(PAGES[ROOT / "docs/python.md"], "python"))
    done = run("-c", code, folder=demo)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(blocks(PAGES[ROOT / "docs/python.md"], "text"))


# The arguments of each example, which runs in a folder with the demo's pictures, and a text that it must print.
GIVEN: dict[str, tuple[list[object], str]] = {
    "one_picture": (["demo/drawn-lymphocyte-1.png"], "lymphocyte"),
    "folder_to_data_frame": (["demo"], "drawn-field-1.png"),
    "napari_reader": (["outlines/drawn-field-1.geojson"], "('shapes', 4, ['lymphocyte', "),
    "camera_loop": (["sim:every=1", "3"], "#0"),
    "own_model": ([model.SHIPPED, "demo/drawn-monocyte-1.png"], "monocyte"),
    "read_contract": ([], "lymphocyte, monocyte, other"),
    "draw_answer": (["demo/drawn-field-1.png", "drawn.png"], "drawn.png"),
}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_examples_are_short_and_run(file: Path, demo: Path) -> None:
    assert len(file.read_text().splitlines()) <= MOST_LINES
    arguments, expected = GIVEN[file.stem]
    done = run(file, *arguments, folder=demo)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_what_users_are_shown_is_public() -> None:
    def names(code: str) -> set[str]:
        nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
        return {f"{node.module}.{each.name}" for node in nodes for each in node.names if str(node.module)[:4] == "edge"}

    public = names(blocks(PAGES[ROOT / "docs/interfaces.md"], "python")[0])
    shown = [code for page, code in SNIPPETS if page != "interfaces.md"] + [file.read_text() for file in EXAMPLES]
    assert public >= set().union(*map(names, shown))


def test_each_example_is_run() -> None:
    assert {file.stem for file in EXAMPLES} == set(GIVEN)


def test_readme_is_short() -> None:
    assert len(README.split()) <= MOST_WORDS


def test_every_link_has_a_target() -> None:
    for page, text in PAGES.items():
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", prose(text)):
            file, _, place = target.partition("#")
            there = (page.parent / file).resolve() if file else page
            assert there.exists(), f"{page}: {target}"
            assert not place or place in anchors(there.read_text()), f"{page}: {target}"


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes from the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(text), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_path_named_exists() -> None:
    """Fails if a file was moved and a page still names its old path, so that "Where to find things" stays true."""
    for page, text in PAGES.items():
        for path in re.findall(r"`((?:edge|train|convert|benchmarks|pi|tests|docs|examples)/[\w./-]*)`", prose(text)):
            assert (ROOT / path).exists() or path.startswith("docs/figures"), f"{page}: {path}"


def test_the_design_and_its_picture_name_every_folder_of_edge() -> None:
    design, picture = PAGES[ROOT / "docs/design.md"], (ROOT / "docs/rooms.svg").read_text()
    for folder in (ROOT / "edge").iterdir():
        if folder.is_dir() and list(folder.glob("*.py")):
            assert f"`edge/{folder.name}/`" in design, folder
            assert f">{folder.name}/<" in picture, folder


def test_figures_of_readme_are_in_the_pages_of_figures() -> None:
    shares = re.findall(r"[\d.]+ \[[\d., ]+\](?: \d+/\d+)?", prose(README))
    assert len(shares) >= 9
    for share in shares:
        assert share in FIGURES, share


def shipped_figures(kind: str) -> dict[str, Figures]:
    """The figures of a shipped file on the test split, by source, from its contract."""
    contract = model.Model(model.SHIPPED.with_name(f"compact-{kind}.tflite")).contract
    assert contract.metrics
    return contract.metrics[kind]["test"]


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_accuracy_is_the_shipped_model_s(kind: str) -> None:
    page = PAGES[ROOT / "docs/figures/accuracy.md"]
    rows = re.findall(rf"^\| {kind} \| (both|pbc|raabin) \| (.*) \|$", page, re.M)
    assert rows
    for source, cells in rows:
        figures = shipped_figures(kind)["all" if source == "both" else source]
        recalls = [figures.classes[label].recall for label in ("monocyte", "lymphocyte")]
        texts = [f"{each.value:.3f} {each.right}/{each.count}" for each in recalls]
        without = re.sub(
            r" \[[^]]*\]", "", cells
        )  # the page counts physical cells in its intervals, the contract counts pictures
        assert without == " | ".join([*texts, f"{figures.balanced_accuracy:.3f}"])


@pytest.mark.parametrize("source", ["raabin", "pbc"])
def test_int8_against_float(source: str) -> None:
    found = [shipped_figures(kind)[source] for kind in ("float32", "int8")]
    recalls = [each.classes["monocyte"].recall for each in found]
    cells = [f"{recall.right}/{recall.count}" for recall in recalls]
    cells += [f"{each.balanced_accuracy:.3f}" for each in found]
    assert f"| compact, {source} | {' | '.join(cells)} |" in FIGURES


def test_benchmark_readme_knows_every_page_with_a_mark() -> None:
    from benchmarks.report import readme

    marked = {file for file, text in PAGES.items() if re.search(r"^<!-- benchmark \w+ [\w.-]+ -->$", text, re.M)}
    assert marked == {ROOT / page for page in readme.PAGES}
