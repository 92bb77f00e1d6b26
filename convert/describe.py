"""A contract for people: what the file is, without its hundreds of figures."""


def text(document: dict) -> str:
    """A contract's document -> lines; a field that a contract lacks is left out."""
    quantization = document["quantization"]
    size = document["input"]["size"]
    rows = {
        "network": f"{document['network']}, {document['parameters']:,} parameters",
        "input": f"{document['input']['dtype']} {document['input']['colour']} {size} x {size}, 0 to 255",
        "labels": ", ".join(document["labels"]),
        "crop": _crop(document.get("crop")),
        "preprocessing": document.get("preprocess"),
        "quantization": f"{quantization['kind']}, read back from the file: "
        + ", ".join(f"{name} x {n}" for name, n in quantization["operators"].items()),
        "mended by": document.get("rescue"),
        "calibration": _calibration(document["calibration"]),
        "decision": _decision(document.get("decision")),
        "gate on val": _gate(document.get("gate")),
        "on test": _metrics(document.get("metrics"), quantization["kind"]),
        "pictures": _counts(document["data"]["counts"]),
        "splits sha256": document["data"]["split_sha256"],
        "Keras model sha256": document["keras_sha256"],
        "graph sha256": document["graph_sha256"],
        "made by": f"edge-classify {document['code_version']}, contract version {document['contract']}",
        "licence": document["licence"],
    } | {f"from {source}": told for source, told in document["attributions"].items()}
    return "\n".join(f"{name:20}{value}" for name, value in rows.items() if value)


def _crop(crop: dict | None) -> str | None:
    return f"{crop['policy']}, version {crop['version']}" if crop else None


def _decision(decision: dict | None) -> str | None:
    if not decision:
        return None
    risks = ", ".join(f"{float(risk):.1%}" for risk in decision.get("risks", {})) or "none"
    return f"temperature {decision['temperature']}; risks that it can be held to: {risks}"


def _calibration(calibration: dict) -> str | None:
    if not calibration["count"]:
        return None
    return f"{calibration['method']} over {calibration['count']} training pictures, list {calibration['sha256']}"


def _gate(gate: dict | None) -> str | None:
    if not gate:
        return None
    balanced, recall = (round(-100 * gate["lost"][key], 1) + 0.0 for key in ("balanced_accuracy", "recall"))
    told = gate["answers"]
    return (
        f"{balanced:+.1f} points of balanced accuracy, {recall:+.1f} of {gate['rare']} recall; "
        f"{told['changed']} of {told['count']:,} answers changed"
    )


def _metrics(metrics: dict | None, kind: str) -> str | None:
    if not metrics:
        return None
    return "; ".join(f"{name} balanced accuracy {f['balanced_accuracy']:.3f} of {f['count']:,}"
                     for name, f in metrics[kind]["test"].items())  # fmt: skip


def _counts(counts: dict) -> str:
    return "; ".join(
        f"{source} " + ", ".join(f"{split} {sum(each.values()):,}" for split, each in splits.items())
        for source, splits in counts.items()
    )
