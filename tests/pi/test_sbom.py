"""The list of parts (CycloneDX) of a bundle and of a wheel: valid by its own schema, and true."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cyclonedx", reason="cyclonedx-python-lib (extra release) is not installed")

from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pi import sbom
from pi.wheels import requirements


def wheel(folder: Path, name: str, about: str, content: dict[str, bytes] | None = None) -> Path:
    """A wheel with these lines of metadata."""
    package, version = name.split("-")[:2]
    file = folder / f"{name}.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{package}-{version}.dist-info/METADATA", f"Name: {package}\nVersion: {version}\n{about}\n")
        for path, data in (content or {}).items():
            archive.writestr(path, data)
    return file


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "wheels").mkdir()
    model = {"edge/models/compact-int8.tflite": b"model", "edge/models/compact-int8.md": b"card"}
    return wheel(tmp_path / "wheels", "edge_classify-0.1.0-py3-none-any", "License-Expression: Apache-2.0", model)


def valid(text: str) -> dict[str, Any]:
    """The document, if it is valid, and if the library that wrote it reads it back."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document: dict[str, Any] = json.loads(text)
    assert document["specVersion"] == "1.6"
    bom = Bom.from_json(document)  # type: ignore[attr-defined]
    assert len(bom.components) == len(document["components"])
    return document


def test_a_bundle_s_parts_are_the_files_in_it(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    bsd = "License: " + "Redistribution and use " * 9 + "\nClassifier: License :: OSI Approved :: BSD License"
    for name, about in {
        "numpy-2.4.6-cp311-cp311-manylinux_2_28_aarch64": "License-Expression: BSD-3-Clause AND MIT",
        "numpy-2.5.5-cp313-cp313-manylinux_2_28_aarch64": "License-Expression: BSD-3-Clause AND MIT",
        "flatbuffers-25.12.19-py2.py3-none-any": "Classifier: License :: OSI Approved :: Apache Software License",
        "reportlab-5.1.0-py3-none-any": bsd,
        "bare-1-py3-none-any": "",
    }.items():
        wheel(tmp_path / "wheels", name, about)
    text = sbom.text(tmp_path)
    assert text == sbom.text(tmp_path)  # to the byte, if the date is given
    document = valid(text)
    program = document["metadata"]["component"]
    assert (program["name"], program["version"], program["type"]) == ("edge-classify", "0.1.0", "application")
    [model] = program["components"]
    assert model["name"] == "compact-int8.tflite" and model["type"] == "machine-learning-model"
    assert model["hashes"][0]["content"] == hashlib.sha256(b"model").hexdigest()
    hashes = {part["bom-ref"]: part["hashes"][0]["content"] for part in (program, *document["components"])}
    files = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (tmp_path / "wheels").iterdir()}
    assert hashes == files
    licences = {part["name"]: part.get("licenses") for part in document["components"]}
    assert licences == {
        "numpy": [{"expression": "BSD-3-Clause AND MIT"}],
        "flatbuffers": [{"license": {"id": "Apache-2.0"}}],
        "reportlab": [{"license": {"name": "BSD License"}}],
        "bare": None,
    }
    needs = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert set(needs[own.name]) == set(files) - {own.name}


def test_a_wheel_s_parts_are_those_of_the_lock(own: Path) -> None:
    document = valid(sbom.text(own))
    locked = {each.pinned: set(each.hashes.replace("--hash=sha256:", "").split()) for each in requirements()}
    found = {f"{part['name']}=={part['version']}": part for part in document["components"]}
    assert set(found) == set(locked) and len(found) > 15
    for name, part in found.items():
        [place] = part["externalReferences"]
        assert {each["content"] for each in place["hashes"]} == locked[name]
        assert part["purl"] == f"pkg:pypi/{name.replace('==', '@')}"
    assert found[next(name for name in found if name.startswith("click=="))]["licenses"]
    assert document["metadata"]["component"]["hashes"][0]["content"] == hashlib.sha256(own.read_bytes()).hexdigest()
