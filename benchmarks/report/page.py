"""A benchmark's results as one self-contained page: no scripts, and nothing outside the file."""

from html import escape

from benchmarks import machine, plots
from benchmarks.accuracy import changed
from benchmarks.latency import STEPS, TOGETHER
from benchmarks.metrics import row
from benchmarks.robustness import NOTHING
from train.evaluation import model_card
from train.evaluation.page import image, shell, table


def page(document: dict) -> str:
    """What benchmarks.result wrote -> HTML, a section for each of its results that this page knows."""
    facts, found = document["machine"], document["results"]
    title = f"Benchmark on {facts['raspberry_pi'] or facts['processor']}"
    parts = [f"<h1>{escape(title)}</h1>", f'<p class="said">{escape(machine.title(facts))}</p>']
    if "accuracy" in found:
        parts += _accuracy(found["accuracy"])
    if "latency" in found:
        parts += _latency(found["latency"])
    if "robustness" in found:
        parts += _robustness(found["robustness"])
    for name, heading in (("runtimes", "The same network under other runtimes"), ("peers", "Other ways to do it")):
        if name in found:
            parts += _rivals(found[name], heading)
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    made = [
        ["command", document["command"]],
        ["version", f"edge-classify {document['version']}"],
        ["packages", packages],
        *([["date", document["date"]]] if "date" in document else []),
    ]
    parts += ["<h2>How this page was made</h2>", table(["", ""], made)]
    return shell(title, parts)


def _accuracy(result: dict) -> list[str]:
    models = result["models"]
    first = next(iter(models.values()))["figures"]["all"]["classes"]
    head = ["", "pictures", *(f"{label} recall" for label in reversed(first)), "balanced accuracy", "ECE", "answered"]
    rows = [
        [f"{name}, {source}", f"{figures['count']:,}", *row(figures)]
        for name, model in models.items()
        for source, figures in model["figures"].items()
    ]
    timed = {
        name: {
            "balanced_accuracy": model["figures"]["all"]["balanced_accuracy"],
            "milliseconds": model["milliseconds"],
            "bytes": model["bytes"],
        }
        for name, model in models.items()
        if "milliseconds" in model
    }
    flips = "".join(
        f"<li>{escape(name)}: {escape(changed(m['changes']))}.</li>" for name, m in models.items() if "changes" in m
    )
    drawn = _drawn(plots.trade(timed), "accuracy against latency") if timed else ""
    return [
        f"<h2>Accuracy, {escape(result['split'])} split</h2>",
        table(head, rows),
        f"<p><small>{escape(model_card.INTERVALS)}</small></p>",
        f"<ul>{flips}</ul>",
        drawn,
    ]


def _latency(result: dict) -> list[str]:
    settings, parts = result["settings"], ["<h2>Latency</h2>"]
    parts += [_noted(result["state"])]
    parts.append(
        f"<p>{settings['rounds']} rounds, models taking turns, after {settings['warm_up']} pictures each; in brackets "
        "the lowest and the highest round.</p>"
    )
    for name, each in result["sets"].items():
        rows = [
            [
                run,
                *(f"{found['steps'][step]['value']:.2f}" for step in STEPS),
                _span(found["steps"][TOGETHER]),
                *(f"{found['steps'][TOGETHER][key]:.2f}" for key in ("p95", "p99")),
                f"{found['first']['value']:.1f}",
                _span(found["per_second"], 0),
            ]
            for run, found in each["runs"].items()
        ]
        heading = f"{name}: {each['pictures']} pictures, {each['size']}"
        quantiles = {run: found["quantiles"] for run, found in each["runs"].items()}
        parts += [
            f"<h3>{escape(heading)}</h3>",
            table(["milliseconds", *STEPS, TOGETHER, "p95", "p99", "first picture", "a second"], rows),
            _drawn(plots.distributions(quantiles, heading), "distribution of milliseconds"),
            _drawn(plots.steps(each["runs"], heading), "milliseconds of the steps"),
        ]
    rows = [
        [name, _span(found["seconds"]) + " s", f"{found['megabytes']['value']:.0f} MB"]
        for name, found in result["command"]["cold"].items()
    ]
    parts += ["<h3>The command, one picture from cold, one thread</h3>", table(["", "seconds", "peak memory"], rows)]
    return parts


def _robustness(result: dict) -> list[str]:
    models = result["models"]
    images = ""
    for kind, told in result["strengths"].items():
        found = {
            name: {"0": model["kinds"][NOTHING]["0"], **model["kinds"][kind]} for name, model in models.items()
        }  # fmt: skip
        images += _drawn(plots.curves(found, kind, told["unit"], told["amounts"]), f"accuracy under {kind}")
    rows = [
        [f"{name}, {kind} {strength}" if strength != "0" else f"{name}, {kind}", f"{figures['count']:,}", *row(figures)]
        for name, model in models.items()
        for kind, strengths in model["kinds"].items()
        for strength, figures in strengths.items()
    ]
    first = next(iter(models.values()))["kinds"][NOTHING]["0"]["classes"]
    head = ["", "pictures", *(f"{label} recall" for label in reversed(first)), "balanced accuracy", "ECE", "answered"]
    return [
        "<h2>Robustness</h2>",
        f"<p>{result['pictures']} pictures of the {escape(result['split'])} split, damaged before they are located, "
        "cropped and answered. Bands: 95 % intervals.</p>",
        f'<div class="plots">{images}</div>',
        f"<details><summary>All figures</summary>{table(head, rows)}</details>",
    ]


def _rivals(result: dict, heading: str) -> list[str]:
    parts = [f"<h2>{escape(heading)}</h2>", _noted(result["state"])]
    for name, unit in result["units"].items():
        rows = {key: each[name] for key, each in result["contenders"].items() if name in each}
        if rows:
            parts.append(_drawn(plots.bars(rows, name, unit), name))
    head = ["", *result["units"], "answers"]
    parts.append(
        table(
            head,
            [
                [
                    key,
                    *(_span(each[name]) if name in each else "-" for name in result["units"]),
                    each.get("answers", "-"),
                ]
                for key, each in result["contenders"].items()
            ],
        )
    )
    missing = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in result["missing"].items())
    return [*parts, f"<p>Not measured:</p><ul>{missing}</ul>" if missing else ""]


def _noted(state: dict) -> str:
    return f"<p>{'<br>'.join(escape(line) for line in machine.notes(state))}</p>"


def _span(figure: dict, digits: int = 2) -> str:
    return f"{figure['value']:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


def _drawn(svg: str, alt: str) -> str:
    return image("svg+xml", svg.encode(), alt)
