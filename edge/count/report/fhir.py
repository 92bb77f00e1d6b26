"""FHIR R4: a Bundle with a DiagnosticReport and its Observations."""

import json
import uuid
from pathlib import Path
from typing import Any

from edge.count.report.content import Content, utc
from edge.count.report.observations import Code, Observation, observations, panel
from edge.system.paths import clean

_OWN = "urn:edge-classify:report"  # this program's own codes
_SESSION = "urn:edge-classify:session"
_HL7 = "http://terminology.hl7.org/CodeSystem"


def write(content: Content, path: Path) -> None:
    """Writes the Bundle as JSON, UTF-8."""
    text = json.dumps(bundle(content), ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def bundle(content: Content) -> dict[str, Any]:
    """The Bundle as JSON values. The session knows no patient, so its resources have no subject."""
    results = [_observation(content, each) for each in observations(content)]
    report = _report(content, [each["id"] for each in results])
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": utc(content.summary.written),
        "entry": [{"fullUrl": f"urn:uuid:{each['id']}", "resource": each} for each in (report, *results)],
    }


def _report(content: Content, results: list[str]) -> dict[str, Any]:
    signed = content.summary.signature
    found = {
        "resourceType": "DiagnosticReport",
        "id": _id(content, "report"),
        "identifier": [{"system": _SESSION, "value": content.name}],
        "category": [{"coding": [{"system": f"{_HL7}/v2-0074", "code": "HM", "display": "Hematology"}]}],
        "code": _code(panel(content)),
        "result": [{"reference": f"urn:uuid:{each}"} for each in results],
        "conclusion": " ".join(content.summary.notices),
        **_common(content, several=True),
    }
    return found | ({"resultsInterpreter": [{"display": clean(signed.reader)}]} if signed else {})


def _observation(content: Content, about: Observation) -> dict[str, Any]:
    category = {"system": f"{_HL7}/observation-category", "code": "laboratory", "display": "Laboratory"}
    found = {
        "resourceType": "Observation",
        "id": _id(content, about.code),
        "category": [{"coding": [category]}],
        "code": _code(about),
        "valueQuantity": _quantity(about, about.value),
        "device": {"display": _device(content)},
        **_common(content, several=False),
    }
    if about.interval:
        low, high = (_quantity(about, bound) for bound in about.interval)
        interval = {"code": {"text": "95 % interval (Clopper-Pearson)"}, "valueRange": {"low": low, "high": high}}
        found["component"] = [interval]
    return found


def _common(content: Content, several: bool) -> dict[str, Any]:
    """What the report and its observations share. several: whether there may be several specimens, as in a report."""
    summary = content.summary
    found: dict[str, Any] = {
        "status": content.status,
        "issued": utc(summary.signature.at if summary.signature else summary.written),
    }
    if summary.began:
        found["effectivePeriod"] = {"start": utc(summary.began), "end": utc(max(summary.began, summary.ended))}
    if content.people:
        found["performer"] = [{"display": clean(name)} for name in content.people]
    slide = clean(summary.settings.slide).strip()
    if slide:
        specimen = {"identifier": {"value": slide}, "display": slide}
        found["specimen"] = [specimen] if several else specimen
    return found


def _code(code: Code) -> dict[str, Any]:
    codings = [{"system": _OWN, "code": code.code, "display": code.text}]
    if code.loinc:
        codings.insert(0, {"system": "http://loinc.org", "code": code.loinc[0], "display": code.loinc[1]})
    return {"coding": codings, "text": code.text}


def _quantity(about: Observation, value: float) -> dict[str, Any]:
    unit = about.unit.strip("{}") if about.unit != "1" else "ratio"
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": about.unit}


def _device(content: Content) -> str:
    used = dict.fromkeys(f"{run.model} (sha256 {run.model_sha256})" for run in content.summary.runs)
    return clean(f"edge-classify {content.summary.software}" + "".join(f", {each}" for each in used))


def _id(content: Content, part: str) -> str:
    """The same for the same version of a session, so that a system that reads it twice has it once."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_SESSION}:{content.name}:{part}"))
