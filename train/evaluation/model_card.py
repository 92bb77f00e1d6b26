"""The model card: what a contract says, for people (Mitchell et al., Model Cards for Model Reporting, 2019)."""

from collections.abc import Iterable

from edge.decide import OTHER

_COMMANDS = {"vgg16": "transfer"}  # where a network's name isn't its command's
ATTRIBUTIONS = {
    "raabin": "Raabin-WBC: Kouzehkanan et al., Scientific Reports 12 (2022), doi 10.1038/s41598-021-04426-x, "
    "article CC BY 4.0, data free to access",
    "pbc": "Acevedo et al., A dataset of microscopic peripheral blood cell images for development of automatic "
    "recognition systems, Data in Brief 30 (2020), doi 10.17632/snkd93bnjr.1, CC BY 4.0",
    "bccd": "BCCD (Shenggan/BCCD_Dataset), types per field from dhruvp/wbc-classification, MIT",
    "chula_rpi": "singgihbekti/WBC_Dataset, Chulalongkorn University, Raspberry Pi camera on a microscope, MIT",
}
WEIGHTS = {
    "vgg16": "VGG16 trained on ImageNet, Visual Geometry Group, Oxford, CC BY 4.0, by Keras Applications",
    "compact": "MobileNetV2 0.35 trained on ImageNet, by Keras Applications, Apache-2.0",
}

LIMITS = (
    "It knows two classes and calls every picture one of them, be it a neutrophil, a smudge or a red cell.",
    "These figures hold for the microscopes, stains and cameras of the sources above. Expect less on any other:\n"
    "  networks like this one have read 98 % at home and 50 to 85 % elsewhere. Measure on your own cells first.",
    "Its probabilities are not calibrated for other microscopes.",
    "Nothing in its data is labelled by disease: expect nothing of it on abnormal lymphocytes or blasts.",
)
OVERALL = ("balanced_accuracy", "auroc", "average_precision")  # figures of all classes together
FLATTERING = "The val split chose the epoch: these figures flatter. The test split's count."
INTERVALS = (
    "95 % intervals in brackets: Wilson's for shares, with photographs of one physical cell taken for one picture; "
    "percentiles of a bootstrap over physical cells for the others. Where errors are tested, too, a cell counts once, "
    "by the mean of its photographs' probabilities. Cells of one film are more alike than cells of two: no interval "
    "here takes that into account."
)


def attributions(sources: Iterable[str], network: str = "") -> dict[str, str]:
    """Who the pictures of each source come from, and the weights that the network started from."""
    known = {source: ATTRIBUTIONS.get(source, "not a source that this project knows") for source in sorted(sources)}
    return known | ({"weights": WEIGHTS[network]} if network in WEIGHTS else {})


def card(document: dict, file: str, sha256: str) -> str:
    """A contract -> Markdown."""
    kind = document["quantization"]["kind"]
    metrics, training, labels = document["metrics"], document.get("training"), document["labels"]
    names = [label for label in labels if label != OTHER]
    rest = ", and both from other cells," if OTHER in labels else ""
    head = (
        f"Tells {' from '.join(name + 's' for name in names)}{rest} in pictures of single stained white "
        "blood cells. **Not a medical device**: it assists a person who looks at the cells."
    )
    lines = [
        f"# {file}",
        "",
        head if training else f"Tells {', '.join(labels)} apart. **Not a medical device.**",
        "",
        "| | |",
        "|---|---|",
        f"| network | {document['network']}, {document['parameters']:,} parameters, "
        f"input uint8 RGB {document['input']['size']} x {document['input']['size']} |",
        f"| crop | {document['crop']['policy']}, version {document['crop']['version']} |",
        f"| quantization, read back from the file | {kind}; operators: "
        + ", ".join(f"{name} x {n}" for name, n in document["quantization"]["operators"].items())
        + " |",
        *_calibration(document["calibration"]),
        f"| training | {', '.join(f'{k} {v}' for k, v in training.items()) if training else 'elsewhere'} |",
        *([f"| mended after int8 failed | {document['rescue']} |"] if "rescue" in document else []),
        f"| sha256 of this file | `{sha256}` |",
        f"| sha256 of the Keras model | `{document['keras_sha256']}` |",
        f"| licence | {document['licence']} |",
        "",
        *_data(document),
    ]
    rarer = "Monocytes, the rarer, first." if "monocyte" in labels else ""
    lines += ["", "## Figures", "", f"Recall with Wilson's 95 % interval and counts. {rarer}".strip(), ""]
    for split in [name for name in ("test", "fields", "val") if name in metrics[kind]]:
        lines += [
            f"**{split} split**"
            if split != "fields"
            else "**labelled cells of marked camera fields**: none was learned from; the locator, which finds them, "
            "learned from half of the fields",
            "",
            f"| model | source | {' | '.join(f'{x} recall' for x in reversed(names))} | balanced accuracy | AUROC |",
            "|---|---|" + "---|" * len(names) + "---|---|",
        ]
        for name in dict.fromkeys(("float", kind)):
            for source, f in metrics[name][split].items():
                recalls = " | ".join(share(f["classes"][label]["recall"]) for label in reversed(names))
                auroc = f"{f['auroc']:.3f}" if "auroc" in f else "-"
                lines.append(f"| {name} | {source} | {recalls} | {f['balanced_accuracy']:.3f} | {auroc} |")
        lines.append("")
    lines += _doubt(document, rest != "")
    if not training:
        lines += [
            "All were measured by `convert` through the edge runner, on the pictures above. The network was trained",
            "elsewhere: what it is worth on other pictures, its maker may know.",
        ]
        return "\n".join(lines) + "\n"
    network = document["network"]
    lines += [
        "The float model's figures were written by `train`, this file's by `convert`, through the edge runner:",
        "",
        "```",
        f"train {_COMMANDS.get(network, network)} --data DATA --out runs/{network}",
        f"convert --{kind} runs/{network}",
        "```",
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in LIMITS[OTHER in labels :]),
    ]
    return "\n".join(lines) + "\n"


def evaluation_card(document: dict) -> str:
    """What evaluation.json holds -> Markdown: a model card of the Keras model."""
    labels, figures = document["labels"], document["figures"]
    lines = [
        f"# {document['network']}, the Keras model",
        "",
        f"Tells {' from '.join(label + 's' for label in labels)} in pictures of single stained white "
        "blood cells. **Not a medical device**: it assists a person who looks at the cells.",
        "",
        "| | |",
        "|---|---|",
        f"| network | {document['network']}, {document['parameters']:,} parameters, "
        f"input RGB 0..255, {document['size']} x {document['size']} |",
        f"| crop | {document['crop']['policy']}, version {document['crop']['version']} |",
        f"| training | {', '.join(f'{k} {v}' for k, v in document['training'].items())} |",
        f"| sha256 of the Keras model | `{document['keras_sha256']}` |",
        "",
        *_data(document),
        "",
        "## Figures",
        "",
        f"{document['split'].capitalize()} split. {FLATTERING + ' ' if document['split'] == 'val' else ''}{INTERVALS}",
        "",
        "| source | class | recall | precision | F1 |",
        "|---|---|---|---|---|",
    ]
    for source, f in figures.items():
        for label in reversed(labels):
            each = f["classes"][label]
            f1 = value(each["f1"], f["intervals"][f"f1 {label}"])
            lines.append(f"| {source} | {label} | {share(each['recall'])} | {share(each['precision'])} | {f1} |")
    lines += ["", "| source | balanced accuracy | AUROC | average precision | ECE |", "|---|---|---|---|---|"]
    for source, f in figures.items():
        cells = [value(f.get(key), f["intervals"][key]) for key in OVERALL]
        lines.append(f"| {source} | {' | '.join(cells)} | {f['calibration']['ece']:.3f} |")
    lines += [
        "",
        "Average precision is of the last class; ECE is the expected calibration error (Guo et al., ICML 2017).",
        "",
        "Which class do the errors favour?",
        "",
        *(f"- {source}: {f['bias']['sentence']}" for source, f in figures.items()),
        "",
        f"Written by `{document['command']}`; curves, the worst mistakes and Grad-CAM are in evaluation.html.",
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in LIMITS),
    ]
    return "\n".join(lines) + "\n"


def locator_card(document: dict, file: str, sha256: str) -> str:
    """The locator's contract -> Markdown."""
    lines = [
        f"# {file}",
        "",
        "Marks the nuclei of white blood cells in a camera field or a picture of one cell. **Not a medical device.**",
        "",
        "| | |",
        "|---|---|",
        f"| network | a small U-Net, {document['parameters']:,} parameters, "
        f"input uint8 RGB {document['input']['size']} x {document['input']['size']} |",
        f"| quantization, read back from the file | {document['quantization']['kind']} |",
        *_calibration(document["calibration"]),
        f"| training | {', '.join(f'{k} {v}' for k, v in document['training'].items())} |",
        f"| sha256 of this file | `{sha256}` |",
        f"| sha256 of the Keras model | `{document['keras_sha256']}` |",
        f"| licence | {document['licence']} |",
        "",
        f"It learned from {document['data']['clear']:,} pictures of single cells of all types (train, val) in",
        "which classical vision finds the nucleus beyond doubt, drawn together to fields and seen through simulated",
        "lamps, stains, lenses and sensors; from drawn fields; and from",
        f"{document['data']['fields']} camera fields with marked cells. `benchmark locating` measures it on other",
        "fields of the same microscopes.",
        "",
        *(f"- {source}: {text}." for source, text in document["attributions"].items()),
        "",
        "```",
        *_locator_commands(document["training"]),
        "convert --int8 runs/locator",
        "benchmark locating --data DATA",
        "```",
    ]
    return "\n".join(lines) + "\n"


def _locator_commands(training: dict) -> list[str]:
    """The command lines that made a locator, the run it started from first."""
    start = training.get("start")
    names = {"epochs": "epochs", "rate": "rate", "drawn": "drawn", "seed": "seed"}
    options = " ".join(f"--{option} {training[key]}" for option, key in names.items())
    if not start:
        return [f"train locator --data DATA --out runs/locator-1 {options}"]
    return [*_locator_commands(start), f"train locator --data DATA --out runs/locator --start runs/locator-1 {options}"]


def _calibration(calibration: dict) -> list[str]:
    if not calibration["count"]:
        return []
    count, digest = calibration["count"], calibration["sha256"]
    return [
        f"| calibration | {calibration['method']} over {count} pictures from training data, list sha256 `{digest}` |"
    ]


def share(s: dict) -> str:
    return f"{s['value']:.3f} [{s['low']:.3f}, {s['high']:.3f}] {s['right']}/{s['count']}" if s["count"] else "-"


def value(figure: float | None, interval: dict) -> str:
    """A figure that is no share, with its interval."""
    if figure is None or interval["low"] is None:
        return "-"
    return f"{figure:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"


def _doubt(document: dict, others: bool) -> list[str]:
    """What answers at each stated risk come to on test."""
    if not document.get("doubt"):
        return []
    told = ", the others by which of the names is likelier" if others else ""
    lines = [
        f"**Answers at a stated risk**, test split (the figures above are of all cells{told}): cells that get an",
        "answer instead of being left for a person, and how many of these answers are wrong"
        + ("; cells of other types that are given a name." if others else "."),
        "",
        "| risk | source | answered | wrong of these |" + (" others given a name |" if others else ""),
        "|---|---|---|---|" + ("---|" if others else ""),
    ]
    for risk, sources in document["doubt"].items():
        for source, f in sources.items():
            cells = [share(f["coverage"]), share(f["risk"]), *([share(f["named"])] if "named" in f else [])]
            lines.append(f"| {float(risk):.1%} | {source} | {' | '.join(cells)} |")
    return [*lines, ""]


def _data(document: dict) -> list[str]:
    """The section on data, of a contract and of an evaluation alike."""
    labels = document["labels"]
    lines = [
        "## Data",
        "",
        f"Splits sha256 `{document['data']['split_sha256']}`. Pictures:",
        "",
        "| source | split | " + " | ".join(labels) + " |",
        "|---|---|" + "---|" * len(labels),
    ]
    for source, splits in document["data"]["counts"].items():
        for split, counts in splits.items():
            lines.append(f"| {source} | {split} | {' | '.join(f'{counts.get(label, 0):,}' for label in labels)} |")
    return [*lines, "", *(f"- {source}: {text}." for source, text in document["attributions"].items())]
