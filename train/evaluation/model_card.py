"""Model cards: a model file's contract, or an evaluation, as Markdown for people to read.

Source: Mitchell et al., Model Cards for Model Reporting, 2019.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edge.contract import Calibration, Contract, Data
from edge.decide import OTHER
from edge.output.tables import Table
from train.evaluation import front_matter
from train.evaluation.cell_figures import class_table, summary_table
from train.evaluation.results import Evaluation

_COMMANDS = {"vgg16": "transfer"}  # `train` commands that have another name than their network
ATTRIBUTIONS = {
    "raabin": "Raabin-WBC: Kouzehkanan et al., Scientific Reports 12 (2022), doi 10.1038/s41598-021-04426-x, "
    "article CC BY 4.0, data free to access",
    "pbc": "Acevedo et al., A dataset of microscopic peripheral blood cell images for development of automatic "
    "recognition systems, Data in Brief 30 (2020), doi 10.17632/snkd93bnjr.1, CC BY 4.0",
    "bccd": "BCCD (Shenggan/BCCD_Dataset), types per field from dhruvp/wbc-classification, MIT",
    "chula_rpi": "singgihbekti/WBC_Dataset, Chulalongkorn University, Raspberry Pi camera on a microscope, MIT",
    "chula_rbc12": "Chula-PIC-Lab/Chula-RBC-12-Dataset, Chulalongkorn University, MIT",
    "draaslan": "draaslan/blood-cell-detection-dataset, MIT",
    "krd_wbc": "KRD-WBC, Mendeley Data jzdj6h7gms, Erbil, CC BY 4.0",
    "pig_warty": "FrancescaIE/WBC-detection-dataset, CC0",
}
WEIGHTS = {
    "vgg16": "VGG16 trained on ImageNet, Visual Geometry Group, Oxford, CC BY 4.0, by Keras Applications",
    "compact": "MobileNetV2 0.35 trained on ImageNet, by Keras Applications, Apache-2.0",
}

_KNOWS_TWO = "It knows two classes and gives every picture one of them, even a neutrophil, a smudge or a red cell."
_LIMITS = (
    "These figures hold for the microscopes, stains and cameras of the sources above. Expect less on any other: "
    "networks like this one have reached 98 % on their own microscope and 50 to 85 % on others. Measure it on your own "
    "cells first.",
    "Its probabilities are not calibrated for other microscopes.",
    "No cell in its data is labelled by disease. It has never learned abnormal lymphocytes or blasts, and may give "
    "them a name: at commit 08e3d31, 53 of 130 blasts of one outside collection got one.",
)
NOT_A_DEVICE = "**Not a medical device**: it assists a person who looks at the cells."
CHOSEN_ON_VAL = "The epoch was chosen on the val split, so these figures flatter the network. Use the test split's."
INTERVALS = (
    "Brackets hold 95 % intervals. Those of proportions are Wilson's; all photographs of one physical cell count as "
    "one picture. Those of other figures are percentiles of a bootstrap over physical cells. The test of the errors "
    "also counts a cell once, by the mean of its photographs' probabilities. Cells of one film are more alike "
    "than cells of two films; no interval here takes that into account."
)


def attributions(sources: Iterable[str], network: str = "") -> dict[str, str]:
    """Whom to credit for the pictures of each source, and for the weights that the network started from.

    Args:
        sources: names of data sources.
        network: its name, if weights are to be credited.
    """
    credits = {source: ATTRIBUTIONS.get(source, "not a source that this project knows") for source in sorted(sources)}
    return credits | ({"weights": WEIGHTS[network]} if network in WEIGHTS else {})


def limits(labels: Sequence[str]) -> tuple[str, ...]:
    """Sentences on what a network with these labels can't do."""
    return _LIMITS if OTHER in labels else (_KNOWS_TWO, *_LIMITS)


def purpose(labels: Sequence[str]) -> str:
    """What a network with these labels does, in a sentence."""
    names = " from ".join(f"{label}s" for label in labels if label != OTHER)
    others = ", and both from other cells," if OTHER in labels else ""
    return f"Tells {names}{others} in pictures of single stained white blood cells."


def card(contract: Contract, file: str, sha256: str) -> str:
    """The card of a classifier's model file.

    Args:
        contract: the file's contract, with metrics and a crop.
        file: the file's name.
        sha256: the file's hash.
    """
    labels, kind, training = contract.labels, contract.quantization.kind, contract.training
    operators = ", ".join(f"{name} x {count}" for name, count in contract.quantization.operators.items())
    facts = {
        "network": _network(contract),
        "crop": f"{contract.crop.policy}, version {contract.crop.version}" if contract.crop else "none",
        "quantization, read back from the file": f"{kind}; operators: {operators}",
        **_calibration(contract.calibration),
        "training": _settings(training) if training else "elsewhere",
        **({"repaired after int8 failed": contract.rescue} if contract.rescue else {}),
        **_origin(contract, sha256),
    }
    lines = [
        front_matter.classifier(contract, file),
        f"# {file}",
        "",
        f"{purpose(labels)} {NOT_A_DEVICE}"
        if training
        else f"Tells {', '.join(labels)} apart. **Not a medical device.**",
        "",
        _facts(facts),
        "",
        *_data(labels, contract.data, contract.attributions),
        "",
        "## Figures",
        "",
        "Each recall is given with Wilson's 95 % interval and counts."
        + (" Monocytes, the rarer class, come first." if "monocyte" in labels else ""),
        "",
        *_metrics(contract),
        *_selective(contract),
    ]
    if not training:
        lines += [
            "`convert` measured all figures through the edge runner, on the pictures above. The network was trained",
            "elsewhere. Ask its maker what it is worth on other pictures.",
        ]
        return "\n".join(lines) + "\n"
    network = contract.network
    lines += [
        "`train` measured the float model. `convert` measured this file, through the edge runner:",
        "",
        "```",
        f"train {_COMMANDS.get(network, network)} --data DATA --out runs/{network}",
        f"convert --{kind} runs/{network}",
        "```",
        "",
        *_limits(labels),
    ]
    return "\n".join(lines) + "\n"


def evaluation_card(evaluation: Evaluation) -> str:
    """The card of a Keras model that `train evaluate` measured."""
    size, crop = evaluation.size, evaluation.crop
    facts = {
        "network": f"{evaluation.network}, {evaluation.parameters:,} parameters, input RGB 0..255, {size} x {size}",
        "crop": f"{crop.policy}, version {crop.version}",
        "training": _settings(evaluation.training),
        "sha256 of the Keras model": f"`{evaluation.keras_sha256}`",
    }
    chosen = f" {CHOSEN_ON_VAL}" if evaluation.split == "val" else ""
    lines = [
        f"# {evaluation.network}, the Keras model",
        "",
        f"{purpose(evaluation.labels)} {NOT_A_DEVICE}",
        "",
        _facts(facts),
        "",
        *_data(evaluation.labels, evaluation.data, evaluation.attributions),
        "",
        "## Figures",
        "",
        f"{evaluation.split.capitalize()} split.{chosen} {INTERVALS}",
        "",
        class_table(evaluation.figures).markdown(),
        "",
        summary_table(evaluation.figures).markdown(),
        "",
        f"Average precision is that of {evaluation.names[-1]}s. ECE is the expected calibration error (Guo et al., "
        "ICML 2017).",
        "",
        "Which class do the errors favour?",
        "",
        *(f"- {source}: {figures.bias.sentence}" for source, figures in evaluation.figures.items()),
        "",
        f"Written by `{evaluation.command}`. evaluation.html shows curves, the worst mistakes and Grad-CAM.",
        "",
        *_limits(evaluation.labels),
    ]
    return "\n".join(lines) + "\n"


def locator_card(contract: Contract, file: str, sha256: str) -> str:
    """The card of a locator's model file; arguments as for `card`. The contract has data and training settings."""
    data, training = contract.data, contract.training
    assert data and training
    facts = {
        "network": f"a small U-Net, {_network(contract).split(', ', 1)[1]}",
        "quantization, read back from the file": contract.quantization.kind,
        **_calibration(contract.calibration),
        "training": _settings(training),
        **_origin(contract, sha256),
    }
    lines = [
        front_matter.locator(contract),
        f"# {file}",
        "",
        "Marks the nuclei of white blood cells in a camera field or in a picture of one cell. "
        "**Not a medical device.**",
        "",
        _facts(facts),
        "",
        "It learned from:",
        "",
        f"- {data.clear:,} pictures of single cells of all types (train and val), in which classical image analysis",
        "  finds the nucleus without doubt. They were combined into fields and shown through simulated lamps, stains,",
        "  lenses and sensors;",
        "- drawn fields;",
        f"- {data.fields} camera fields with marked cells. `benchmark locating` measures it on other fields of the",
        "  same microscopes.",
        "",
        "Where the pictures come from:",
        "",
        *_credits(contract.attributions),
        "",
        "```",
        *_locator_commands(training),
        "convert --int8 runs/locator",
        "benchmark locating --data DATA",
        "```",
    ]
    return "\n".join(lines) + "\n"


def _locator_commands(training: Mapping[str, Any], run: str = "runs/locator") -> list[str]:
    """The command lines that made a locator: those of its teacher and of the run that it started from come first."""
    before = []
    options = " ".join(f"--{name} {training[name]}" for name in ("epochs", "rate", "drawn", "seed"))
    if training.get("large", True):  # the only network that there was, when its size wasn't a setting
        options += " --large"
    if training.get("pool"):
        options += f" --pool {training['pool']}"
    if teacher := training.get("teacher"):
        before += [*_locator_commands(teacher, f"{run}-large"), f"convert --int8 {run}-large"]
        options += f" --teacher {run}-large/locator-int8.tflite"
    if start := training.get("start"):
        before += _locator_commands(start, f"{run}-1")
        options += f" --start {run}-1"
    return [*before, f"train locator --data DATA --out {run} {options}"]


def _network(contract: Contract) -> str:
    size = contract.input.size
    return f"{contract.network}, {contract.parameters:,} parameters, input uint8 RGB {size} x {size}"


def _settings(training: Mapping[str, Any]) -> str:
    # Those of the teacher and of an earlier run are in the commands.
    return ", ".join(f"{name} {value}" for name, value in training.items() if not isinstance(value, Mapping))


def _origin(contract: Contract, sha256: str) -> dict[str, str]:
    return {
        "sha256 of this file": f"`{sha256}`",
        "sha256 of the Keras model": f"`{contract.keras_sha256}`",
        "licence": contract.licence,
    }


def _calibration(calibration: Calibration | None) -> dict[str, str]:
    """The pictures that an int8 file was calibrated on; nothing for other files."""
    if not calibration or not calibration.count:
        return {}
    pictures = f"{calibration.count} training pictures"
    return {"calibration": f"{calibration.method}, on {pictures}; sha256 of their list `{calibration.sha256}`"}


def _facts(facts: Mapping[str, str]) -> str:
    return Table(["", ""], list(facts.items())).markdown()


def _data(labels: Sequence[str], data: Data | None, credits: Mapping[str, str]) -> list[str]:
    """The section on data."""
    assert data
    rows = [
        [source, split, *(f"{counts.get(label, 0):,}" for label in labels)]
        for source, splits in data.counts.items()
        for split, counts in splits.items()
    ]
    return [
        "## Data",
        "",
        f"Pictures by source, split and label; sha256 of the splits `{data.split_sha256}`.",
        "",
        Table(["source", "split", *labels], rows).markdown(),
        "",
        *_credits(credits),
    ]


def _credits(credits: Mapping[str, str]) -> list[str]:
    return [f"- {source}: {text}." for source, text in credits.items()]


def _metrics(contract: Contract) -> list[str]:
    """A table for each split: the float model and this file side by side."""
    kind, metrics = contract.quantization.kind, contract.metrics or {}
    names = [label for label in reversed(contract.labels) if label != OTHER]
    heads = ["model", "source", *(f"{name} recall" for name in names), "balanced accuracy", "AUROC"]
    titles = {
        "test": "**Test split**",
        "fields": "**Labelled cells of marked camera fields.** "
        + (
            "They are in fields that neither the classifier nor the locator learned from."
            if contract.learned_fields
            else "The classifier learned from none of them. The locator, which finds these cells, learned from half of "
            "the fields."
        ),
        "val": "**Val split**",
    }
    lines = []
    for split in (name for name in titles if name in metrics[kind]):
        rows = [
            [
                model,
                source,
                *(str(figures.classes[name].recall) for name in names),
                f"{figures.balanced_accuracy:.3f}" if figures.count else "-",
                "-" if figures.auroc is None else f"{figures.auroc:.3f}",
            ]
            for model in dict.fromkeys(("float", kind))
            for source, figures in metrics[model][split].items()
        ]
        lines += [titles[split], "", Table(heads, rows).markdown(), ""]
    return lines


def _selective(contract: Contract) -> list[str]:
    """The section on answers at a stated risk; nothing if the contract has none."""
    if not contract.doubt:
        return []
    others = OTHER in contract.labels
    heads = ["risk", "source", "answered", "wrong of these", *(["other cells given a name"] if others else [])]
    rows = [
        [f"{float(risk):.1%}", source, str(each.coverage), str(each.risk), *([str(each.named)] if others else [])]
        for risk, sources in contract.doubt.items()
        for source, each in sources.items()
    ]
    names = " and ".join(f"{label}s" for label in contract.labels if label != OTHER)
    return [
        f"**Selective classification at a stated risk, test split.** Uncertain cells are left to a person. The table "
        f"shows how many of the {names} get an answer, and how many of these answers are wrong."
        + (" It also shows how many cells of other types are given a name." if others else "")
        + " The tables above leave no cell to a person"
        + (" and ask only which name is likelier." if others else "."),
        "",
        Table(heads, rows).markdown(),
        "",
    ]


def _limits(labels: Sequence[str]) -> list[str]:
    """The section on limits."""
    return ["## Limits", "", *(f"- {limit}" for limit in limits(labels))]
