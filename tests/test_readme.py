"""README.md's and docs/figures.md's commands exist, and their figures are the shipped model's."""

import re
import shlex

import click
import pytest
from conftest import ROOT

import benchmarks.cli
import convert.cli
import edge.cli
import edge.doctor.cli
import edge.site.cli
import train.cli
from edge import model

PAGES = {ROOT / name: (ROOT / name).read_text() for name in ("README.md", "docs/figures.md")}
README, FIGURES = PAGES.values()
MAINS = {
    "edge-classify": edge.cli.main,
    "edge-site": edge.site.cli.main,
    "edge-doctor": edge.doctor.cli.main,
    "train": train.cli.main,
    "convert": convert.cli.main,
    "benchmark": benchmarks.cli.main,
}
_NAMES = "|".join(MAINS)
COMMANDS = sorted(
    {line for page in PAGES.values() for line in re.findall(rf"^\$ ((?:{_NAMES}) .*)$", page, re.M)}
    | {line for page in PAGES.values() for line in re.findall(rf"`((?:{_NAMES}) [^`]*)`", page)}
)


def parses(command: click.Command, arguments: list[str]) -> None:
    context = command.make_context("test", arguments)
    if isinstance(command, click.Group):
        _, child, rest = command.resolve_command(context, arguments)
        assert child
        parses(child, rest)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_parse(line: str) -> None:
    name, *arguments = shlex.split(line)
    parses(MAINS[name], arguments)


def test_there_are_commands_to_test() -> None:
    assert {line.split()[0] for line in COMMANDS} == set(MAINS)


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_figures(kind: str) -> None:
    metrics = model.Model(model.SHIPPED.with_name(f"compact-{kind}.tflite")).document["metrics"][kind]["test"]
    rows = re.findall(rf"^\| {kind} \| (both|pbc|raabin) \| (.*) \|$", README, re.M)
    assert rows
    for source, cells in rows:
        figure = metrics["all" if source == "both" else source]
        shares = [figure["classes"][label]["recall"] for label in ("monocyte", "lymphocyte")]
        texts = [f"{s['value']:.3f} {s['right']}/{s['count']}" for s in shares]
        without = re.sub(r" \[[^]]*\]", "", cells)  # intervals: of cells there, of pictures here
        assert without == " | ".join([*texts, f"{figure['balanced_accuracy']:.3f}"])


@pytest.mark.parametrize("source", ["raabin", "pbc"])
def test_int8_against_float(source: str) -> None:
    shipped = [model.Model(model.SHIPPED.with_name(f"compact-{kind}.tflite")).document for kind in ("float32", "int8")]
    found = [each["metrics"][each["quantization"]["kind"]]["test"][source] for each in shipped]
    recalls = [each["classes"]["monocyte"]["recall"] for each in found]
    cells = [f"{recall['right']}/{recall['count']}" for recall in recalls]
    cells += [f"{each['balanced_accuracy']:.3f}" for each in found]
    assert f"| compact, {source} | {' | '.join(cells)} |" in FIGURES


def test_every_link_leads_somewhere() -> None:
    for page, text in PAGES.items():
        for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
            file, _, place = target.partition("#")
            there = (page.parent / file).resolve() if file else page
            assert there.exists(), target
            assert not place or place in anchors(there.read_text()), target


def anchors(text: str) -> set[str]:
    """The places in a page that GitHub gives its headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
