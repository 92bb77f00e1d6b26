"""The statement beside a model file: which code, network, pictures and command made it.

Its form is in-toto's Statement with SLSA's provenance, https://slsa.dev/spec/v1.0/provenance, which tools of supply
chains read. It lies beside the file, not in it, so that the same network gives the same file whoever converts it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.contract import document
from edge.model import File
from train.data.dataset import Example
from train.provenance import Made, made

ENDING = ".provenance.json"
_TYPE = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://slsa.dev/provenance/v1"


def pictures_sha256(folder: Path, examples: Sequence[Example]) -> str | None:
    """sha256 of the list of pictures, each with its label, its split and the sha256 of its file.

    None if one can't be read: its crop may still be in the cache.
    """
    contents = {e.path: "" for e in examples}
    try:
        for path in contents:
            with (folder / path).open("rb") as file:
                contents[path] = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
    rows = sorted({(e.path, e.label, e.split, contents[e.path]) for e in examples})
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def statement(
    file: str,
    model: File,
    options: Mapping[str, Any],
    pictures: str | None,
    training: Made | Mapping[str, Any] | None,
) -> str:
    """The statement as JSON.

    Args:
        file: the model file's name.
        model: the file, opened.
        options: how it was converted, as `options_of` gives them back.
        pictures: sha256 of the pictures that it was tested on or calibrated with; None if it isn't known.
        training: what made the network, as in run.json; None if that isn't known.
    """
    code, contract = made(), model.contract
    splits = {"splits_sha256": contract.data.split_sha256} if contract.data else {}
    resolved: list[dict[str, Any]] = [
        {
            "uri": f"pkg:pypi/edge-classify@{code.code_version}",
            **({"digest": {"gitCommit": code.commit}, "annotations": {"changed": code.changed}} if code.commit else {}),
        },
        {"name": "network", "digest": {"sha256": contract.keras_sha256}},
        *([{"name": "pictures", "digest": {"sha256": pictures}, "annotations": splits}] if pictures else []),
        *({"uri": f"pkg:pypi/{name}@{version}"} for name, version in code.packages.items()),
    ]
    return (
        json.dumps(
            {
                "_type": _TYPE,
                "subject": [{"name": file, "digest": {"sha256": model.sha256}}],
                "predicateType": _PREDICATE,
                "predicate": {
                    "buildDefinition": {
                        "buildType": "urn:edge-classify:convert:1",
                        "externalParameters": {"command": code.command, **options},
                        "internalParameters": {"training": document(training)} if training else {},
                        "resolvedDependencies": resolved,
                    },
                    "runDetails": {
                        "builder": {
                            "id": "urn:edge-classify:convert",
                            "version": {"edge-classify": code.code_version, "python": code.python},
                        },
                        "metadata": {"finishedOn": datetime.now(UTC).isoformat(timespec="seconds")},
                    },
                },
            },
            indent=1,
        )
        + "\n"
    )


def of_sealed(file: Path, content: bytes) -> dict[Path, bytes]:
    """Model card and statement beside a file that `convert seal` replaces, for the new file: by path, those that exist.

    The statement keeps what made the old file, and gains what made the new one of it.

    Args:
        file: the model file, still the old one.
        content: the new one.
    """
    before, after = (hashlib.sha256(each).hexdigest() for each in (file.read_bytes(), content))
    card, beside = file.with_suffix(".md"), file.with_name(f"{file.stem}{ENDING}")
    found: dict[Path, bytes] = {}
    if before == after:
        return found
    if card.exists():
        found[card] = card.read_bytes().replace(before.encode(), after.encode())
    if beside.exists():
        code, text = made(), json.loads(beside.read_text(encoding="utf-8"))
        for subject in text["subject"]:
            subject["digest"] = {"sha256": after}
        built = text["predicate"]["buildDefinition"]
        built["internalParameters"]["sealed"] = {"command": code.command, "gitCommit": code.commit}
        built["resolvedDependencies"].append({"name": "file before it was sealed", "digest": {"sha256": before}})
        found[beside] = (json.dumps(text, indent=1) + "\n").encode()
    return found


def options_of(file: Path) -> dict[str, Any] | None:
    """The options with which a file was converted, from the statement beside it; None if there is none."""
    try:
        found = json.loads(file.with_name(f"{file.stem}{ENDING}").read_text(encoding="utf-8"))
        if found["_type"] != _TYPE or found["predicateType"] != _PREDICATE:
            return None
        options: dict[str, Any] = found["predicate"]["buildDefinition"]["externalParameters"]
        return options
    except (OSError, ValueError, KeyError, TypeError):
        return None
