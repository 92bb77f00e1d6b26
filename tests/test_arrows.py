"""Imports go one way: between the packages, and between the wings (folders) of edge/; no modules import in a circle.

Also: a run on the Pi imports nothing heavy, only commands import click, and no function takes too many parameters.
"""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGES = ("edge", "train", "convert", "benchmarks")
MAY_IMPORT = {
    "edge": {"edge"},
    "train": {"edge", "train"},
    "convert": {"edge", "train", "convert"},
    "benchmarks": {"edge", "train", "convert", "benchmarks"},
}
# The wings of edge/ and which others each may import. The core is the files at the top of edge/.
WINGS = {
    "core": {"system", "reading", "field", "workers"},
    "field": {"core", "reading"},
    "system": set(),
    "reading": {"system"},
    "workers": {"core", "system"},
    "output": {"core", "system", "reading"},
    "simulator": {"core", "system"},
    "camera": {"core", "system", "reading", "simulator"},
    "live": {"core", "system", "reading", "output", "camera", "field"},
    "count": {"core", "system", "reading", "output", "camera", "live", "site"},
    "page": {"core", "system", "live", "count", "doctor"},
    "site": {"core", "system", "output", "camera", "live"},
    "archive": {"core", "system", "reading", "field", "output", "workers", "site", "count"},
    "doctor": {"core", "system", "workers", "output", "simulator", "camera", "live", "site", "count"},
}
EVERYONES = "edge.errors"  # imports nothing; how a room says what a user did wrong
# The commands above all wings: edge-classify, edge-count, which also serves the page, and edge-site, which also learns
# from sessions. Any other wing's own cli.py may import no more than the other files of that wing.
TOP = ("edge", "edge.__main__", "edge.cli", "edge.count.cli", "edge.site.cli")
COMMANDS = ("cli.py", "__main__.py")  # files that may import click
MOST_FILES = 22  # Python files in one folder of edge/
MOST_PARAMETERS = 8  # of a function outside cli.py, not counting self and cls


def module_name(file: Path) -> str:
    """edge/live/run.py -> "edge.live.run"; edge/live/__init__.py -> "edge.live"."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def files() -> dict[str, Path]:
    """All files of the packages by module name."""
    return {module_name(file): file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))}


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), str(file))


def imported(node: ast.AST) -> Iterator[str]:
    """The names that are imported anywhere below a node, also inside functions, but not below `if TYPE_CHECKING:`.

    `from edge import crop` gives "edge.crop"; `imports` finds out whether that is a module.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from imported(other)
        elif isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "this project uses absolute imports"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        else:
            yield from imported(child)


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of this project that a module imports."""
    result = set()
    for name in imported(tree(files()[module])):
        parts = name.split(".")
        known = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        result |= {next((each for each in known if each in files()), module)}
    return frozenset(result - {module})


def wing(module: str) -> str:
    """The wing of edge/ that a module belongs to, or "core"."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (ROOT / "edge" / parts[1]).is_dir() else "core"


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_one_way(package: str) -> None:
    modules = [module for module in files() if module.split(".")[0] == package]
    assert modules
    wrong = {
        f"{module} imports {other}"
        for module in modules
        for other in imports(module)
        if other.split(".")[0] not in MAY_IMPORT[package]
    }
    assert not wrong, sorted(wrong)


def test_the_wings_of_edge_import_one_way() -> None:
    modules = [module for module in files() if module.split(".")[0] == "edge" and module not in TOP]
    assert {wing(module) for module in modules} == set(WINGS)
    wrong = {
        f"{module} imports {other}"
        for module in modules
        for other in imports(module)
        if wing(other) not in WINGS[wing(module)] | {wing(module)} and other != EVERYONES
    }
    assert not wrong, sorted(wrong)


def circles() -> list[list[str]]:
    """Groups of modules that import each other, directly or through others: strongly connected components.

    Source: Tarjan, SIAM J. Comput. 1 (1972).
    """
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    result = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        path.append(module)
        for other in sorted(imports(module)):
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in path:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            at = path.index(module)
            if len(path) - at > 1:
                result.append(sorted(path[at:]))
            del path[at:]

    for module in files():
        if module not in number:
            visit(module)
    return result


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert not circles()


def test_no_folder_of_edge_is_crowded() -> None:
    crowded = {
        str(folder.relative_to(ROOT)): count
        for folder in [ROOT / "edge", *(ROOT / "edge").rglob("*/")]
        if (count := len(list(folder.glob("*.py")))) > MOST_FILES
    }
    assert not crowded


def test_only_commands_import_click() -> None:
    wrong = [
        str(file.relative_to(ROOT))
        for file in files().values()
        if file.name not in COMMANDS and any(name.split(".")[0] == "click" for name in imported(tree(file)))
    ]
    assert not wrong, wrong


def test_the_archive_and_what_it_needs_never_reach_a_pi() -> None:
    packages = {"pyarrow", "fsspec", "s3fs", "gcsfs", "ray"}
    wrong = [
        module
        for module, file in files().items()
        if module.split(".")[0] == "edge" and wing(module) != "archive"
        if any(name.split(".")[0] in packages for name in imported(tree(file)))
    ]
    assert not wrong, wrong
    bundle = tomllib.loads((ROOT / "pi" / "pyproject.toml").read_text())
    assert "edge.archive*" in bundle["tool"]["setuptools"]["packages"]["find"]["exclude"]
    assert "edge-archive" not in bundle["project"]["scripts"]
    assert not any((ROOT / "requirements" / "edge.in").read_text().count(name) for name in packages)


def test_no_function_takes_too_many_parameters() -> None:
    wrong = {}
    for module, file in files().items():
        for node in ast.walk(tree(file)):
            if file.name == "cli.py" or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            count = len(names) - (names[:1] in (["self"], ["cls"]))
            if count > MOST_PARAMETERS:
                wrong[f"{module}.{node.name}"] = count
    assert not wrong, wrong


def test_a_run_imports_nothing_heavy() -> None:
    """Nothing of the other wings either; and with --whole-image no locator, since nothing is located."""
    picture = ROOT / "docs" / "drawn-monocyte-3.annotated.jpg"
    code = (
        f"import sys; sys.argv = ['edge-classify', '--whole-image', {str(picture)!r}]\n"
        "from edge.cli import main\n"
        "try: main()\n"
        "except SystemExit as e: assert not e.code\n"
        "rooms = tuple(f'edge.{name}' for name in ('camera', 'live', 'site', 'doctor', 'simulator', 'count', 'page',\n"
        "    'archive', 'locate', 'red_cells'))\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "heavy |= {name for name in sys.modules if name.startswith(rooms)}\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
