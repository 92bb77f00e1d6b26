"""`python -m pi.sbom FILE.cdx.json BUNDLE_OR_WHEEL...` writes what a bundle or a wheel consists of, as CycloneDX 1.6.

For an unpacked bundle: each wheel in it, with the hash of the file as it lies there. For the wheel of this program: the
packages of requirements/edge.txt, which belong to it, with all hashes that pip accepts for each. For both: the model
files inside the program. A licence is what the wheel says, or for the second the package that is installed here.
"""

import email
import hashlib
import importlib.metadata
import os
import re
import sys
import uuid
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from pi.wheels import requirements

# What some wheels call a licence, by its SPDX name.
_SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
}
_LONGEST = 60  # characters of a licence's name; longer ones are its text


def licence(about: Message) -> str:
    """The licence that a package states: an SPDX expression, or its own words; "" if it states none."""
    text = (about["License-Expression"] or about["License"] or "").strip()
    if not text or "\n" in text or len(text) > _LONGEST:
        known = [
            line.rpartition(" :: ")[2] for line in about.get_all("Classifier", []) if line.startswith("License ::")
        ]
        text = known[0] if known else ""
    return _SPDX.get(text, text)


def component(name: str, version: str, about: Message | None, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    """A Python package. about: its metadata; None if they aren't known."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    stated = about and licence(about)
    return Component(
        type=kind,
        name=name,
        version=version,
        purl=PackageURL("pypi", None, name, version),
        bom_ref=f"{name}-{version}",
        licenses=[LicenseFactory().make_from_string(stated)] if stated else [],
    )


def sha256(content: bytes) -> list[HashType]:
    """The hash of a file's content."""
    return [HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(content).hexdigest())]


def of_wheel(wheel: Path, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    """A wheel, with its own hash. One that fits some machines only is named by its file, too."""
    name, version = wheel.name.split("-")[:2]
    with zipfile.ZipFile(wheel) as archive:
        [path] = [each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each)]
        about = email.message_from_bytes(archive.read(path))
        found = component(name, version, about, kind)
        found.hashes.update(sha256(wheel.read_bytes()))
        assert found.purl
        found.purl = PackageURL("pypi", None, found.name, version, {"file_name": wheel.name})
        found.bom_ref.value = wheel.name
        found.components.update(
            Component(
                type=ComponentType.MACHINE_LEARNING_MODEL,
                name=Path(each).name,
                version=version,
                bom_ref=each,
                hashes=sha256(archive.read(each)),
            )
            for each in archive.namelist()
            if each.startswith("edge/models/") and each.endswith(".tflite")
        )
    return found


def required() -> list[Component]:
    """The packages of the lock file."""
    found = []
    for each in requirements():
        name, _, version = each.pinned.partition("==")
        try:
            here = importlib.metadata.distribution(name)
            about = email.message_from_string(here.read_text("METADATA") or "") if here.version == version else None
        except importlib.metadata.PackageNotFoundError:
            about = None
        package = component(name, version, about)
        hashes = [
            HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in re.findall("sha256:(\\w+)", each.hashes)
        ]
        place = XsUri(str(package.purl))  # from whichever registry
        package.external_references.add(
            ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=place, hashes=hashes)
        )
        found.append(package)
    return found


def bill(program: Component, parts: Iterable[Component]) -> Bom:
    """The document. The same parts give the same bytes, if SOURCE_DATE_EPOCH gives its date."""
    parts = list(parts)
    date = os.environ.get("SOURCE_DATE_EPOCH")
    bom = Bom(components=parts)
    digests = sorted(str(found.content) for each in (program, *parts) for found in each.hashes)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, " ".join(digests))
    bom.metadata.component = program
    if date:
        bom.metadata.timestamp = datetime.fromtimestamp(int(date), UTC)
    bom.register_dependency(program, parts)
    return bom


def text(source: Path) -> str:
    """The document of an unpacked bundle, or of a wheel of this program, as JSON."""
    if source.is_dir():
        wheels = sorted((source / "wheels").glob("*.whl"))
        [own] = [wheel for wheel in wheels if wheel.name.startswith("edge_classify-")]
        bom = bill(of_wheel(own, ComponentType.APPLICATION), (of_wheel(wheel) for wheel in wheels if wheel != own))
    else:
        bom = bill(of_wheel(source, ComponentType.APPLICATION), required())
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1) + "\n"


def main() -> None:
    """See the top of this file."""
    Path(sys.argv[1]).write_text(text(Path(sys.argv[2])))


if __name__ == "__main__":
    main()
