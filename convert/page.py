"""The gate's report as one self-contained page: no scripts, and nothing outside the file."""

from html import escape

import numpy as np

from train.evaluation import model_card, plots
from train.evaluation.page import image, shell, table

_WORST = 12  # layers shown


def page(document: dict, difference: np.ndarray) -> str:
    """The report's document (see convert.run) -> HTML.

    difference: float [n], how far the probabilities of each picture lie apart.
    """
    found, asked = document["gate"], document["asked"]
    rescued = f" ({asked} failed)" if document["kind"] != asked else ""
    title = f"{document['network']} as {document['kind']}{rescued}: {'passed' if found['passed'] else 'failed'}"
    names = ("Keras" if asked == "float32" else "float", document["kind"])
    sizes = [f"{document['bytes'][key] / 1e3:,.0f} kB" for key in ("float", "quantized")]
    times = [f"{document['milliseconds'][key]:.2f} ms" for key in ("float", "quantized")]
    eces = [f"{found['ece'][key]:.4f}" for key in ("float", "quantized")]
    apart = found["differences"]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="said">{"<br>".join(escape(line) for line in document["said"])}</p>',
        "<h2>Val split, through the edge runner</h2>",
        _figures(found, names),
        table(["", "size", "median time a picture", "ECE"], [[names[i], sizes[i], times[i], eces[i]] for i in (0, 1)]),
        "<p><small>Sizes are of the files with their contract. Times are of one thread on the machine that converted, "
        "the models taking turns at each picture: compare them with each other, not with a Pi's.</small></p>",
        '<div class="plots">',
        image("svg+xml", plots.differences(difference, names).encode(), "histogram of differences"),
        "</div>",
        f"<p>Difference of probabilities: mean {apart['mean']:.5f}, 99th percentile {apart['percentile_99']:.5f}, "
        f"largest {apart['largest']:.5f}.</p>",
        "<h3>Answers that changed</h3>",
        table(
            ["picture", "truth", names[0], names[1]],
            [[a["path"], a["truth"], *(f"{a[k]['answer']} {a[k]['probability']:.4f}" for k in ("float", "quantized"))]
             for a in document["changed"]],
        ) if document["changed"] else "<p>There are none.</p>",
        *_calibration(document["calibration"]),
        *_layers(document["layers"]),
        *_attempts(document["attempts"]),
        "<h2>How this page was made</h2>",
        table(
            ["", ""],
            [
                ["command", document["command"]],
                ["version", f"edge-classify {document['version']}"],
                ["read back from the file", _emitted(document["quantization"])],
                ["sha256 of the Keras model", document["keras_sha256"]],
                ["sha256 of the splits", document["split_sha256"]],
            ],
        ),
    ]  # fmt: skip
    return shell(title, parts)


def _emitted(quantization: dict) -> str:
    operators = ", ".join(f"{name} x {n}" for name, n in quantization["operators"].items())
    tensors = ", ".join(f"{name} x {n}" for name, n in quantization["tensors"].items())
    return f"{quantization['kind']}; operators: {operators}; tensors: {tensors}"


def _figures(found: dict, names: tuple[str, str]) -> str:
    rows = []
    for source, before in found["float"].items():
        for name, f in zip(names, (before, found["quantized"][source]), strict=True):
            shares = [model_card.share(each["recall"]) for each in reversed(f["classes"].values())]
            rows.append([f"{source}, {name}", f"{f['count']:,}", *shares, f"{f['balanced_accuracy']:.4f}"])
    recalls = [f"{label} recall" for label in reversed(found["float"]["all"]["classes"])]
    return table(["", "pictures", *recalls, "balanced accuracy"], rows)


def _calibration(calibration: dict) -> list[str]:
    if not calibration["count"]:
        return []
    return [
        "<h2>Calibration</h2>",
        f"<p>{calibration['count']:,} training pictures, balanced over classes and sources; list sha256 "
        f"<code>{calibration['sha256']}</code>. Ranges: {escape(calibration['method'])}.</p>",
        table(
            ["method", "mean difference of probabilities on val", "balanced accuracy", "within the limits"],
            [
                [name, f"{c['difference']:.5f}", f"{c['balanced_accuracy']:.4f}", "yes" if c["passed"] else "no"]
                for name, c in calibration["compared"].items()
            ],
        ),
    ]


def _layers(layers: list[dict]) -> list[str]:
    if not layers:
        return []
    return [
        "<h2>Layer by layer, the worst first</h2>",
        "<p>The squared error that each layer adds by itself, as a share of its channels' signal: computed in int8 and "
        "in float from the same inputs, on training pictures.</p>",
        table(
            ["layer", "operator", "error", "int8 step"],
            [[x["name"], x["operator"], f"{x['error']:.2e}", f"{x['step']:.4g}"] for x in layers[:_WORST]],
        ),
    ]


def _attempts(attempts: list[dict]) -> list[str]:
    if not attempts:
        return []
    return [
        "<h2>Rescue</h2>",
        table(
            ["what was tried", "is", "size", "time a picture", "balanced accuracy lost", "recall lost", "passed"],
            [
                [x["what"], f"skipped: {x['skipped']}", *[""] * 5] if "skipped" in x else
                [x["what"], x["kind"], f"{x['bytes'] / 1e3:,.0f} kB", f"{x['milliseconds']:.2f} ms",
                 f"{100 * x['lost']['balanced_accuracy']:.1f} points",
                 f"{100 * x['lost']['recall']:.1f} points", "yes" if x["passed"] else "no"]
                for x in attempts
            ],
        ),
    ]  # fmt: skip
