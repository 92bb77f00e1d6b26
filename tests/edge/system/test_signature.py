import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge import locate
from edge.cli import main
from edge.errors import UserError
from edge.model import SHIPPED
from edge.system.signature import require

minisign = pytest.importorskip("minisign", reason="py-minisign (extra signed) is not installed")


@pytest.fixture(scope="module")
def pair() -> Any:
    return minisign.KeyPair.generate()


def _sign(pair: Any, path: Path, **how: Any) -> Path:
    path.with_name(f"{path.name}.minisig").write_bytes(bytes(pair.secret_key.sign(path.read_bytes(), **how)))
    return path


def test_a_signed_file_is_taken(tmp_path: Path, pair: Any) -> None:
    signed = tmp_path / "a file"
    signed.write_bytes(b"graph")
    (tmp_path / "key.pub").write_bytes(bytes(pair.public_key))
    for key in (str(tmp_path / "key.pub"), pair.public_key.to_base64().decode()):
        for prehash in (True, False):
            require(key, [_sign(pair, signed, prehash=prehash)])


def test_anything_else_is_refused_in_one_sentence(tmp_path: Path, pair: Any) -> None:
    key = pair.public_key.to_base64().decode()
    signed, unsigned, other = (tmp_path / name for name in ("signed", "unsigned", "other"))
    for path in (signed, unsigned, other):
        path.write_bytes(b"graph")
    _sign(pair, signed)
    _sign(minisign.KeyPair.generate(), other)

    def refused(path: Path, text: str, by: str = key) -> None:
        with pytest.raises(UserError, match=text):
            require(by, [signed, path])

    refused(unsigned, "is not signed: .*unsigned.minisig is missing")
    refused(other, "is not a signature of .*other by this key")
    refused(tmp_path / "none", "is not signed")
    refused(signed, "neither a public key", by="RWQ")
    refused(signed, "neither a public key", by=str(signed))
    seal = tmp_path / "signed.minisig"
    whole = seal.read_bytes()
    for damaged in (b"", whole[:-20], whole.replace(b"trusted comment: ", b"trusted comment: x"), b"\xff" + whole):
        seal.write_bytes(damaged)
        refused(signed, "is not a signature of .*signed by this key")
    seal.write_bytes(whole)
    signed.write_bytes(b"graph.")
    refused(signed, "is not a signature of .*signed by this key")


def test_edge_classify_asks_for_the_signatures_of_all_files_that_decide(
    tmp_path: Path, pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, finder = (tmp_path / path.name for path in (SHIPPED, locate.SHIPPED))
    shutil.copy(SHIPPED, model)
    shutil.copy(locate.SHIPPED, finder)
    monkeypatch.setattr(locate, "SHIPPED", finder)

    def verify(*more: str) -> Result:
        return CliRunner().invoke(main, ["--verify", "--model", str(model), *more], env=environment)

    environment = {"EDGE_REQUIRE_SIGNED": pair.public_key.to_base64().decode()}
    _sign(pair, model)
    assert verify().exit_code == 2 and "locator-int8.tflite is not signed" in verify().output
    _sign(pair, finder)
    assert verify().exit_code == 0
    profile = tmp_path / "site.json"
    profile.write_text("{}")
    found = verify("--site", str(profile))
    assert found.exit_code == 2 and "site.json is not signed" in found.output
