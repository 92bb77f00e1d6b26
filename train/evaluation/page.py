"""An evaluation as one self-contained page: no scripts, and nothing outside the file."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import matplotlib as mpl
import numpy as np
from PIL import Image

from train.evaluation import model_card, plots

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .9rem; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: left; font-variant-numeric: tabular-nums; }
td code, td small { overflow-wrap: anywhere; }
small { color: #666; }
.said { background: #eef2fb; padding: .6rem 1rem; border-left: 4px solid #3b4cc0; }
.plots, .cells { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
.plots img { width: 19rem; max-width: 100%; }
figure { margin: 0; width: 8rem; break-inside: avoid; font-size: .75rem; line-height: 1.3; overflow-wrap: anywhere; }
figure.pair { width: 12.5rem; }
figure img { width: 100%; }
figure.pair img { width: 49%; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; } h2 { break-after: avoid; } }
"""


@dataclass(frozen=True)
class Look:
    """One picture of a cell and what was said of it.

    answer: {"path", "source", "truth", "answer", "probability"}; crop: uint8 [size, size, 3], what the network saw;
    heat: float [size, size] in 0..1, what spoke for its answer, where that was asked.
    """

    answer: dict
    crop: np.ndarray
    heat: np.ndarray | None = None


def page(
    document: dict, scores: dict[str, tuple[np.ndarray, np.ndarray]], sheet: Sequence[Look], looks: Sequence[Look]
) -> str:
    """evaluation.json's document -> HTML.

    scores: for each name in document["figures"] which pictures are of the last class, bool [n], and the probability
    that they were given of it, float [n]; sheet: the worst mistakes; looks: pictures with heat.
    """
    figures, labels, split = document["figures"], document["labels"], document["split"]
    title = f"{document['network']}, measured on the {split} split"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>Tells {escape(' from '.join(f'{label}s' for label in labels))} in pictures of single stained white blood "
        "cells. <strong>Not a medical device</strong>: it assists a person who looks at the cells.</p>",
        f'<p class="said">{escape(figures["all"]["bias"]["sentence"])}</p>',
    ]
    if split == "val":
        parts.append(f"<p>{escape(model_card.FLATTERING)}</p>")
    parts += [_summary(figures, labels), f"<p><small>{escape(model_card.INTERVALS)}</small></p>"]
    for name, figure in figures.items():
        if name == "all" or len(figures) > 2:  # one source is all there is
            parts += _section(name, figure, labels, *scores[name])
    count = len(document["mistakes"])
    parts += ["<h2>The worst mistakes</h2>"]
    if sheet:
        parts.append(f"<p>The surest {len(sheet)} of {count:,} wrong answers, as the network saw the cells.</p>")
        parts += [*_cells(sheet)]
    else:
        parts.append("<p>There are none.</p>")
    parts += ["<h2>What spoke for the answers</h2>", *_looks(looks, labels), *_made(document)]
    return shell(title, parts)


def shell(title: str, parts: Iterable[str]) -> str:
    """The whole page round its parts, which are HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _summary(figures: dict, labels: Sequence[str]) -> str:
    head = ["", "pictures", "cells", *(f"{x} recall" for x in reversed(labels))]
    head += ["balanced accuracy", "AUROC", "average precision", "ECE"]
    rows = []
    for name, f in figures.items():
        shares = [model_card.share(f["classes"][label]["recall"]) for label in reversed(labels)]
        values = [model_card.value(f.get(key), f["intervals"][key]) for key in model_card.OVERALL]
        rows.append([name, f"{f['count']:,}", f"{f['cells']:,}", *shares, *values, f"{f['calibration']['ece']:.3f}"])
    return table(head, rows)


def _section(name: str, f: dict, labels: Sequence[str], truth: np.ndarray, score: np.ndarray) -> list[str]:
    rows = []
    for label in reversed(labels):  # the rarer class first
        each = f["classes"][label]
        shares = [model_card.share(each[key]) for key in ("recall", "precision")]
        rows.append([label, *shares, model_card.value(each["f1"], f["intervals"][f"f1 {label}"])])
    drawn = [(plots.reliability(f["calibration"]), "reliability diagram")]
    if "auroc" in f:  # both classes are there
        drawn.insert(0, (plots.roc(truth, score, labels[-1]), "ROC curve"))
        drawn.insert(1, (plots.precision_recall(truth, score, labels[-1]), "precision and recall curve"))
    images = "".join(image("svg+xml", svg.encode(), f"{name}: {what}") for svg, what in drawn)
    return [
        f"<h2>{escape(name)}</h2>",
        *([] if name == "all" else [f"<p>{escape(f['bias']['sentence'])}</p>"]),
        table(["", "recall", "precision", "F1"], rows),
        table(
            ["truth", *(f"called {label}" for label in labels)],
            [[label, *(f"{n:,}" for n in row)] for label, row in zip(labels, f["confusion"], strict=True)],
        ),
        f'<div class="plots">{images}</div>',
    ]


def _looks(looks: Sequence[Look], labels: Sequence[str]) -> list[str]:
    if not looks:
        return ["<p>This network has no convolution whose maps could be drawn.</p>"]
    parts = [
        "<p>Grad-CAM (Selvaraju et al., ICCV 2017) of the last convolution: the redder, the more a place spoke for "
        "the answer that was given. Right answers are drawn by lot, wrong ones are the surest.</p>"
    ]
    for label in labels:
        for right in (True, False):
            chosen = [x for x in looks if x.answer["truth"] == label and (x.answer["answer"] == label) == right]
            parts.append(f"<h3>{escape(label.capitalize())}s, {'right' if right else 'wrong'} answers</h3>")
            parts += _cells(chosen) if chosen else ["<p>There are none.</p>"]
    return parts


def _cells(looks: Iterable[Look]) -> list[str]:
    figures = []
    for look in looks:
        told = look.answer
        images = image("png", _png(look.crop), f"a {told['truth']}")
        if look.heat is not None:
            images += image("png", _png(_warmed(look.crop, look.heat)), "the same with what spoke for the answer")
        caption = (
            f"{told['truth']}, called <strong>{escape(told['answer'])}</strong> at {told['probability']:.4f}"
            f"<br><small>{escape(told['path'])}</small>"
        )
        kind = "" if look.heat is None else ' class="pair"'
        figures.append(f"<figure{kind}>{images}<figcaption>{caption}</figcaption></figure>")
    return ['<div class="cells">', *figures, "</div>"]


def _warmed(crop: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The heat over the picture, which shines through where it is cold."""
    cover = 0.7 * heat[..., None]
    colours = mpl.colormaps["turbo"](heat)[..., :3] * 255
    return (crop * (1 - cover) + colours * cover).round().astype(np.uint8)


def _made(document: dict) -> list[str]:
    data, crop = document["data"], document["crop"]
    rows = [
        ["command", document["command"]],
        ["version", f"edge-classify {document['version']}; trained by {document['training']['code_version']}"],
        ["network", f"{document['network']}, {document['parameters']:,} parameters, {document['size']} pixels wide"],
        ["crop", f"{crop['policy']}, version {crop['version']}"],
        ["training", ", ".join(f"{k} {v}" for k, v in document["training"].items())],
        ["sha256 of the Keras model", document["keras_sha256"]],
        ["data", data["folder"]],
        ["sha256 of its splits", data["split_sha256"]],
        ["seed of the bootstrap and of what was drawn by lot", str(document["seed"])],
    ]
    sources = "".join(f"<li>{escape(k)}: {escape(v)}.</li>" for k, v in document["attributions"].items())
    limits = "".join(f"<li>{escape(limit)}</li>" for limit in model_card.LIMITS)
    return [
        "<h2>Limits</h2>",
        f"<ul>{limits}</ul>",
        "<h2>How this page was made</h2>",
        table(["", ""], rows),
        f"<p>Where the pictures come from:</p><ul>{sources}</ul>",
    ]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Texts -> HTML; the first of each row is its name, and a head of nothing is left out."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head) if any(head) else ""
    body = ""
    for first, *rest in rows:
        body += f"<tr><th>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
    return f"<table>{f'<tr>{top}</tr>' if top else ''}{body}</table>"


def image(kind: str, content: bytes, alt: str) -> str:
    """A picture inside the page; kind: "png" or "svg+xml"."""
    return f'<img alt="{escape(alt)}" src="data:image/{kind};base64,{base64.b64encode(content).decode()}">'


def _png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
