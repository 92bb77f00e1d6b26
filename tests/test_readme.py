"""The README's commands exist and its figures are the shipped model's."""

import re
import shlex

import click
import pytest
from conftest import ROOT

import benchmarks.cli
import convert.cli
import edge.cli
import edge.doctor
import edge.site_cli
import train.cli
from edge import model

README = (ROOT / "README.md").read_text()
MAINS = {
    "edge-classify": edge.cli.main,
    "edge-site": edge.site_cli.main,
    "edge-doctor": edge.doctor.main,
    "train": train.cli.main,
    "convert": convert.cli.main,
    "benchmark": benchmarks.cli.main,
}
_NAMES = "|".join(MAINS)
COMMANDS = sorted(
    set(re.findall(rf"^\$ ((?:{_NAMES}) .*)$", README, re.M)) | set(re.findall(rf"`((?:{_NAMES}) [^`]*)`", README))
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
        texts = [f"{s['value']:.3f} [{s['low']:.3f}, {s['high']:.3f}] {s['right']}/{s['count']}" for s in shares]
        assert cells == " | ".join([*texts, f"{figure['balanced_accuracy']:.3f}"])


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
