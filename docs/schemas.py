"""Writes edge/schema/: the JSON Schemas that follow from dataclasses. Run as `python docs/schemas.py`.

The forms of a result line and of a session's report follow from no dataclass; their schemas are written by hand.
"""

import dataclasses
import json
import math
import re
import types
import typing
from pathlib import Path
from typing import Any

from benchmarks.report import result
from edge.contract import KNOWN, Contract, fields
from edge.doctor import finding
from edge.site import profile

FOLDER = Path(__file__).parent.parent / "edge" / "schema"
_TYPES: dict[Any, dict[str, Any]] = {
    float: {"type": "number"},
    int: {"type": "integer"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
}


class Definitions(dict[str, dict[str, Any]]):
    """The schemas of dataclasses by name, as in $defs."""

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of an annotated type, as edge.contract reads it."""
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if dataclasses.is_dataclass(kind):
            name = typing.cast(type, kind).__name__
            if name not in self:
                self[name] = {}  # a place, so that the order is that of the first use
                self[name] = self.object(kind)
            return {"$ref": f"#/$defs/{name}"}
        if origin is typing.Annotated:
            ends = {"minimum": arguments[1].low, "maximum": arguments[1].high}
            return self.of(arguments[0]) | {name: end for name, end in ends.items() if math.isfinite(end)}
        if origin in (types.UnionType, typing.Union):
            return {"anyOf": [self.of(arguments[0]), {"type": "null"}]}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if origin is tuple:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is typing.Literal:
            return {"enum": list(arguments)}
        return {} if kind is Any else dict(_TYPES[kind])

    def object(self, kind: Any) -> dict[str, Any]:
        """The schema of a dataclass. Further keys are allowed: a later version may add some."""
        said = described(kind)
        properties, required = {}, []
        for name, key, needed, hint in fields(kind):
            properties[key] = self.of(hint) | ({"description": said[name]} if name in said else {})
            required += [key] * needed
        return {"type": "object", "required": required, "properties": properties}


def described(kind: type) -> dict[str, str]:
    """What the docstring of a dataclass says about each of its attributes, in JSON's words."""
    text = (kind.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^ {8}(\w[\w, ]*): (.*(?:\n {12}.*)*)", text, re.M)
    return {
        name: re.sub(r"\bNone\b", "null", " ".join(said.split())) for names, said in found for name in names.split(", ")
    }


def contract() -> dict[str, Any]:
    """contract.json in a model file."""
    definitions = Definitions()
    found = definitions.object(Contract)
    found["required"].insert(0, "contract")
    found["properties"]["contract"] |= {"enum": list(KNOWN)}
    return _whole(
        "contract:3", "Contract of a model file", "What `contract.json` in a model file holds.", found, definitions
    )


def site_profile() -> dict[str, Any]:
    """What `edge-site` writes."""
    definitions = Definitions()
    learned = definitions.object(profile.Profile)
    first, *others = learned["required"]
    properties = {
        "site_profile": {"enum": [profile.VERSION, profile.WITH_RULER], "description": "2 if it holds a ruler, else 1"},
        **learned["properties"],
        "ruler": definitions.of(profile.Ruler),
        "history": {"type": "array", "items": definitions.of(profile.Event)},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "of the rest, keys in their order"},
    }
    found = {
        "type": "object",
        "required": ["site_profile", "sha256"],
        "properties": properties,
        "dependentRequired": {first: others},
        "oneOf": [
            {"properties": {"site_profile": {"const": profile.VERSION}}, "required": [first], "not": _needs("ruler")},
            {"properties": {"site_profile": {"const": profile.WITH_RULER}}, **_needs("ruler")},
        ],
    }
    return _whole("site-profile:2", "Profile of a site", "What `edge-site` writes with --out.", found, definitions)


def doctor() -> dict[str, Any]:
    """What `edge-doctor --json` prints."""
    definitions = Definitions()
    properties = {
        "schema": {"const": finding.SCHEMA},
        "state": {"enum": list(typing.get_args(finding.State)), "description": "the worst state among the findings"},
        "version": {"type": "string", "description": "of the software"},
        "findings": {"type": "array", "items": definitions.of(finding.Finding)},
    }
    # Each key is always written.
    definitions["Finding"]["required"] = list(definitions["Finding"]["properties"])
    found = {"type": "object", "required": list(properties), "properties": properties}
    return _whole("doctor:1", "Findings of edge-doctor", "What `edge-doctor --json` prints.", found, definitions)


def benchmark() -> dict[str, Any]:
    """What `benchmark` writes with --json."""
    definitions = Definitions()
    found = definitions.object(result.Document)
    found["properties"]["schema"] |= {"const": result.SCHEMA}
    found["properties"]["results"] |= {"minProperties": 1, "additionalProperties": {"type": "object"}}
    said = "What `benchmark` writes with --json. A file without the key `schema` is of form 1."
    return _whole("benchmark:1", "Results of a benchmark", said, found, definitions)


def _needs(key: str) -> dict[str, Any]:
    return {"required": [key]}


def _whole(name: str, title: str, said: str, found: dict[str, Any], definitions: Definitions) -> dict[str, Any]:
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:edge-classify:{name}",
        "title": title,
        "description": said,
    }
    return head | found | {"$defs": dict(definitions)}


def texts() -> dict[str, str]:
    """The content of each file by its name."""
    found = {"contract": contract(), "site-profile": site_profile(), "doctor": doctor(), "benchmark": benchmark()}
    return {f"{name}.schema.json": json.dumps(each, indent=1) + "\n" for name, each in found.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text)
