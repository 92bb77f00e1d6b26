"""The figures of the documentation, written into its pages from kept results, so that they never differ from them."""

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks import machine, result
from benchmarks.accuracy import changed
from benchmarks.latency import STEPS, TOGETHER
from benchmarks.robustness import NOTHING
from edge.errors import UserError
from train.evaluation import model_card

REFERENCE = Path(__file__).parent / "reference"
# The pages with such figures, from the repository's root.
PAGES = tuple(Path("docs/figures") / name for name in ("accuracy.md", "damaged.md", "speed.md"))
# <!-- benchmark SECTION FILE --> and what stands up to the next <!-- end -->; FILE lies in benchmarks/reference.
_REGION = re.compile(r"(?P<mark><!-- benchmark (?P<section>\w+) (?P<file>[\w.-]+) -->\n).*?(?P<end><!-- end -->)", re.S)


def filled(text: str, reference: Path = REFERENCE) -> str:
    """A page's text with every marked region written anew.

    Raises:
        UserError: if nothing is marked, a region names a file that isn't there, or its section isn't known.
    """

    def written(region: re.Match) -> str:
        make = SECTIONS.get(region["section"])
        if make is None:
            raise UserError(f"{region['mark'].strip()}: known are {', '.join(SECTIONS)}.")
        document = result.read(reference / region["file"], [region["section"]])
        found = document["results"][region["section"]]
        return f"{region['mark']}{make(document, found)}\n{region['end']}"

    text, count = _REGION.subn(written, text)
    if not count:
        raise UserError("Nothing is marked as <!-- benchmark SECTION FILE -->.")
    return text


def _accuracy(document: dict, found: dict) -> str:
    lines = [
        f"`{document['command']}`:",
        "",
        "| model | source | monocyte recall | lymphocyte recall | balanced accuracy |",
        "|---|---|---|---|---|",
    ]
    said = []
    for model in found["models"].values():
        for source, figures in model["figures"].items():
            recalls = [model_card.share(figures["classes"][label]["recall"]) for label in ("monocyte", "lymphocyte")]
            balanced = f"{figures['balanced_accuracy']['value']:.3f}"
            cells = [model["kind"], "both" if source == "all" else source, *recalls, balanced]
            lines.append(f"| {' | '.join(cells)} |")
        flips = f"; {changed(model['changes'])}" if "changes" in model else ""
        ece = model["figures"]["all"]["ece"]
        said.append(f"- {model['kind']}: {model['bytes'] / 1e3:.0f} kB, expected calibration error {ece:.3f}{flips}.")
    return "\n".join([*lines, "", *said])


def _latency(document: dict, found: dict) -> str:
    settings, command = found["settings"], found["command"]
    lines = [
        f"{_where(document, found)}. {settings['rounds']} rounds, taking turns, after {settings['warm_up']} pictures; "
        "milliseconds a picture, medians.",
        "",
        f"| pictures | model | {' | '.join(STEPS)} | {TOGETHER} | p95 | p99 | pictures a second |",
        "|---" * (len(STEPS) + 6) + "|",
    ]
    for name, each in found["sets"].items():
        for run, told in each["runs"].items():
            steps = told["steps"]
            times = [f"{steps[step]['value']:.2f}" for step in (*STEPS, TOGETHER)]
            tail = [f"{steps[TOGETHER][key]:.2f}" for key in ("p95", "p99")]
            cells = [f"{each['pictures']} {name}, {each['size']}", run, *times, *tail]
            lines.append(f"| {' | '.join(cells)} | {_span(told['per_second'], 0)} |")
    lines += [
        "",
        "| the command, one thread | one picture from cold | peak memory | of many pictures |",
        "|---|---|---|---|",
    ]
    for name, cold in command["cold"].items():
        many = f"{command['many'][name]['megabytes']['value']:.0f} MB" if "many" in command else "-"
        lines.append(f"| {name} | {_span(cold['seconds'], 2)} s | {cold['megabytes']['value']:.0f} MB | {many} |")
    return "\n".join(lines)


def _robustness(document: dict, found: dict) -> str:
    models = found["models"]
    lines = [
        f"Balanced accuracy on {found['pictures']} test cells, at the first, third and fifth strength:",
        "",
        "| | "
        + " | ".join(f"{name}, {strength}" for name in models for strength in ("weak", "middling", "strong"))
        + " |",
        "|---" * (3 * len(models) + 1) + "|",
    ]
    plain = [_balanced(model["kinds"][NOTHING]["0"]) for model in models.values()]
    lines.append("| as they are | " + " | ".join(f"{each} | |" for each in plain) + " |")
    for kind in found["strengths"]:
        cells = [_balanced(model["kinds"][kind][strength]) for model in models.values() for strength in ("1", "3", "5")]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _rivals(document: dict, found: dict) -> str:
    units = found["units"]
    lines = [
        f"`{document['command']}`:",
        "",
        f"{_where(document, found)}.",
        "",
        f"| | {' | '.join(f'{name}, {unit}' for name, unit in units.items())} | answers |",
        "|---" * (len(units) + 2) + "|",
    ]
    for name, each in found["contenders"].items():
        cells = [_short(each[unit]) if unit in each else "-" for unit in units]
        lines.append(f"| {name} | {' | '.join(cells)} | {each.get('answers', '-')} |")
    missing = [f"- not measured: {name}: {why.rsplit('error: ', 1)[-1]}" for name, why in found["missing"].items()]
    return "\n".join([*lines, *(["", *missing] if missing else [])])


def _balanced(figures: dict) -> str:
    balanced = figures["balanced_accuracy"]
    return model_card.value(balanced["value"], balanced)


def _where(document: dict, found: dict) -> str:
    """The machine, and how it was while it was measured: what spoils the result first."""
    *spoiled, state = machine.notes(found["state"])
    return "; ".join([*(f"**{each}**" for each in spoiled), machine.title(document["machine"]), state])


def _short(figure: dict) -> str:
    """Three digits that count; the interval where there is one."""
    value, low, high = (
        f"{figure[key]:.3g}" if figure[key] < 1000 else f"{figure[key]:,.0f}" for key in ("value", "low", "high")
    )
    return value if low == high else f"{value} [{low}, {high}]"


def _span(figure: dict, digits: int) -> str:
    return f"{figure['value']:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


SECTIONS: dict[str, Callable[[dict, dict], str]] = {
    "accuracy": _accuracy,
    "latency": _latency,
    "robustness": _robustness,
    "runtimes": _rivals,
    "peers": _rivals,
}
