"""edge-update: what it refuses, what it keeps, and what a power cut at each of its steps leaves."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import small_bundle
from conftest import ROOT

from pi import edge_update, prove_update

minisign = pytest.importorskip("minisign", reason="py-minisign (extra signed) is not installed")
if f"{sys.version_info[0]}.{sys.version_info[1]}" not in edge_update.PYTHONS:
    pytest.skip("bundles are made for other versions of Python", allow_module_level=True)


@pytest.fixture(scope="module")
def pair() -> Any:
    return minisign.KeyPair.generate()


@pytest.fixture(scope="module")
def bundles(pair: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.tar, 2.tar and 3.tar, signed; key.pub; the unpacked folders one, two and three."""
    folder = tmp_path_factory.mktemp("bundles")
    (folder / "key.pub").write_bytes(bytes(pair.public_key))
    for number in (1, 2, 3):
        small_bundle.packed(small_bundle.unpacked(folder / f"{number}", f"{number}.0"), pair)
    return folder


class Installation:
    """One place, and edge-update there. `run` returns the exit code and what was said."""

    def __init__(self, prefix: Path, updater: Path) -> None:
        self.prefix, self._first = prefix, updater

    def run(self, *arguments: object) -> tuple[int, str]:
        updater = self.prefix / "edge-update"
        line = [sys.executable, "-I", updater if updater.exists() else self._first, *arguments, "--prefix", self.prefix]
        done = subprocess.run([*map(str, line)], capture_output=True, text=True, timeout=300)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stderr

    def answer(self) -> str:
        """Which version answers, by the command as a user has it; "" if none does."""
        done = subprocess.run([self.prefix / "links" / "edge-classify", "--verify"], capture_output=True, text=True)
        return done.stdout.strip()

    def version(self, link: str) -> str:
        return (self.prefix / link).readlink().name.partition("-")[0]

    def versions(self) -> set[str]:
        return {path.name.partition("-")[0] for path in (self.prefix / "versions").iterdir()}


@pytest.fixture
def place(bundles: Path, tmp_path: Path) -> Installation:
    return Installation(tmp_path / "a place", bundles / "1" / "edge-update")


def test_signatures_are_checked_as_rfc_8032_has_it(pair: Any) -> None:
    # Its tests 1 and 2, and their message with a byte more.
    for key, message, signature in (
        ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
         "d25bf5f0595bbe24655141438e7a100b"),
        ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
         "387b2eaeb4302aeeb00d291612bb0c00"),
    ):  # fmt: skip
        key_, message_, signature_ = map(bytes.fromhex, (key, message, signature))
        assert edge_update.signed(key_, message_, signature_)
        assert not edge_update.signed(key_, message_ + b"\0", signature_)
        for at in (0, 31, 32, 63):
            changed = bytearray(signature_)
            changed[at] ^= 1
            assert not edge_update.signed(key_, message_, bytes(changed))
        # The same number modulo the order of the group: another writing of the same signature.
        s = int.from_bytes(signature_[32:], "little") + 2**252 + 27742317777372353535851937790883648493
        assert not edge_update.signed(key_, message_, signature_[:32] + s.to_bytes(32, "little"))


def test_a_bundle_that_is_not_signed_is_refused_before_it_is_unpacked(
    bundles: Path, place: Installation, tmp_path: Path, pair: Any
) -> None:
    other, key = minisign.KeyPair.generate(), bundles / "key.pub"
    for name, pair_of, change in (
        ("unsigned", None, None),
        ("other", other, None),
        ("changed", pair, lambda file: file.write_bytes(file.read_bytes()[:-1] + b"!")),
        ("comment", pair, lambda file: _replace(file, b"file:comment.tar", b"file:another.tar")),
        ("no-signature", pair, lambda file: Path(f"{file}.minisig").write_text("untrusted comment: x\n")),
        ("legacy", pair, lambda file: _sign(file, pair, prehash=False)),
    ):
        file = tmp_path / f"{name}.tar"
        shutil.copy(bundles / "1.tar", file)
        if pair_of:
            _sign(file, pair_of, prehash=True)
        if change:
            change(file)
        code, said = place.run(file, "--key", key)
        assert code == 2 and said.count("\n") == 1 and said.endswith("Nothing was unpacked.\n"), (name, said)
        assert not place.prefix.exists()
    for wrong in ("RWQ", bundles / "1.tar", ""):
        code, said = place.run(bundles / "1.tar", "--key", wrong)
        assert code == 2 and ("neither a public key" in said or "Name the key" in said), said
    assert not place.prefix.exists()


def _sign(file: Path, pair: Any, prehash: bool) -> None:
    Path(f"{file}.minisig").write_bytes(bytes(pair.secret_key.sign_file(file, prehash=prehash)))


def _replace(file: Path, old: bytes, new: bytes) -> None:
    beside = Path(f"{file}.minisig")
    content = beside.read_bytes()
    assert old in content
    beside.write_bytes(content.replace(old, new))


def test_a_new_version_comes_beside_the_old_one(bundles: Path, place: Installation) -> None:
    code, said = place.run(bundles / "1.tar", "--key", bundles / "key.pub")
    assert code == 0 and said.startswith(f"Installed: {place.prefix}, 1.0-"), said
    assert place.answer() == "1.0"
    assert place.run("--back")[0] == 2
    code, said = place.run(bundles / "2.tar")  # by the key of the first
    assert code == 0 and "edge-update --back uses it again" in said, said
    assert place.answer() == "2.0" and place.versions() == {"1.0", "2.0"}
    assert place.run("--back") == (0, f"{(place.prefix / 'current').resolve().name} is used again.\n")
    assert place.answer() == "1.0" and place.version("previous") == "2.0"
    assert place.run(bundles / "3.tar")[0] == 0
    assert place.answer() == "3.0" and place.versions() == {"1.0", "3.0"}
    assert (place.prefix / "docs" / "page.md").is_file()
    names = {path.name for path in place.prefix.iterdir()}
    assert not names & {"unpacked", "unproven"}, names
    # A user's link of the same name isn't ours.
    (place.prefix / "links" / "edge-count").unlink()
    (place.prefix / "links" / "edge-count").symlink_to("/bin/true")
    assert place.run("--uninstall")[0] == 0 and not place.prefix.exists()


@pytest.mark.parametrize("how", [{"model": b"damaged"}, {"doctor": "bad"}])
def test_a_version_that_does_not_work_is_never_used(
    bundles: Path, place: Installation, tmp_path: Path, pair: Any, how: dict[str, Any]
) -> None:
    bad = small_bundle.packed(small_bundle.unpacked(tmp_path / "bad", "9.0", **how), pair)
    code, said = place.run(bad, "--key", bundles / "key.pub")
    assert code == 1 and "Not installed: " in said and not (place.prefix / "bin").exists(), said
    assert place.run(bundles / "1.tar", "--key", bundles / "key.pub")[0] == 0
    code, said = place.run(bad)
    assert code == 1 and ("numpy is bad." in said or "The samples get other answers." in said), said
    assert place.answer() == "1.0" and place.versions() == {"1.0"}


def test_after_a_power_cut_the_next_start_goes_back_to_what_answers(bundles: Path, place: Installation) -> None:
    for number in (1, 2):
        assert place.run(bundles / f"{number}.tar", "--key", bundles / "key.pub")[0] == 0
    (place.prefix / "unproven").touch()  # as between a switch and its check
    assert place.answer() == "2.0" and not (place.prefix / "unproven").exists()
    for model in (place.prefix / "current" / "lib").glob("*/site-packages/edge_model"):
        model.write_bytes(b"lost by the disk")
    (place.prefix / "unproven").touch()
    where = edge_update.Place(place.prefix, place.prefix / "links")
    with where.locked():  # another edge-update works there, or the user isn't root: nothing may be changed
        assert place.answer() == "1.0" and place.version("current") == "2.0"
    assert place.answer() == "1.0"
    assert place.version("current") == "1.0" and not (place.prefix / "unproven").exists()
    with where.locked():
        code, said = place.run(bundles / "3.tar")
        assert code == 2 and "Another edge-update works" in said


def test_an_installation_by_an_older_installer_is_taken_over(bundles: Path, place: Installation) -> None:
    """It was one environment, with links into its bin."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place.prefix], check=True)
    (place.prefix / "edge-classify.installed").touch()
    (place.prefix / "docs").mkdir()
    (place.prefix / "links").mkdir()
    (place.prefix / "bin" / "edge-classify").write_text("#!/bin/sh\necho 0.1\n")
    (place.prefix / "bin" / "edge-classify").chmod(0o755)
    (place.prefix / "links" / "edge-classify").symlink_to(place.prefix / "bin" / "edge-classify")
    assert place.answer() == "0.1"
    assert place.run("--install", bundles / "1")[0] == 0
    assert place.answer() == "1.0" and not (place.prefix / "lib").exists()
    assert {path.name for path in (place.prefix / "bin").iterdir()} == {*edge_update.COMMANDS, "edge-update"}


CHANGES = ("os.rename", "os.remove", "os.symlink", "os.mkdir", "os.rmdir", "shutil.rmtree")
CUT = """
import os, shutil, sys
from pi import edge_update

steps, built, changes = int(sys.argv.pop(1)), sys.argv.pop(1), {changes!r}
edge_update.MACHINE = os.uname().machine
edge_update.build = lambda bundle, version: shutil.copytree(built, version, symlinks=True)

def hook(event, arguments):
    global steps
    if event in changes:
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), 9)

sys.addaudithook(hook)
edge_update.main()
"""


@pytest.mark.slow
def test_a_cut_before_any_change_leaves_a_version_that_answers(bundles: Path, place: Installation) -> None:
    """An update that is cut before its first change of a file's name, one that is cut before its second, and so on."""
    assert place.run("--install", bundles / "1")[0] == 0
    built = place.prefix.parent / "built"
    shutil.copytree((place.prefix / "current").resolve(), built, symlinks=True)
    [program] = (built / "lib").glob("*/site-packages/fake_edge.py")
    program.write_text(program.read_text().replace("'1.0'", "'2.0'"))
    # Python would take a compiled file of the same second for that of the new text, which is as long.
    shutil.rmtree(program.with_name("__pycache__"), ignore_errors=True)
    for name in ("edge-classify", "edge-doctor"):  # they name the Python beside them
        script = built / "bin" / name
        script.write_text(script.read_text().replace(str((place.prefix / "current").resolve()), str(built)))
    answered = []
    for steps in range(500):
        line = [sys.executable, "-c", CUT.format(changes=CHANGES), str(steps), str(built)]
        line += ["--install", str(bundles / "2"), "--prefix", str(place.prefix)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        code = subprocess.run(line, capture_output=True, env=environment).returncode
        answered.append(place.answer())
        assert answered[-1] in ("1.0", "2.0"), steps
        if code != -signal.SIGKILL:
            break
    assert code == 0 and len(answered) > 30
    assert answered == sorted(answered) and set(answered) == {"1.0", "2.0"}
    assert len(list((place.prefix / "versions").iterdir())) == 2


@pytest.mark.slow
def test_updates_that_are_killed_at_random_moments(bundles: Path) -> None:
    """`python -m pi.prove_update BUNDLE` does it with the real program, two hundred times."""
    found = prove_update.prove(bundles / "1", 4, 0, print)
    assert found.total() - found["ended"] == 4


def test_a_signature_by_pi_sign_is_taken(bundles: Path, tmp_path: Path, pair: Any) -> None:
    secret, file = tmp_path / "key.sec", tmp_path / "bundle.part"
    secret.write_bytes(bytes(pair.secret_key))
    file.write_bytes(b"bundle")
    line = [sys.executable, "-m", "pi.sign", str(secret), str(file), str(tmp_path / "bundle.tar.xz")]
    done = subprocess.run(line, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    file.rename(tmp_path / "bundle.tar.xz")
    edge_update.require_signature(tmp_path / "bundle.tar.xz", str(bundles / "key.pub"))
    secret.write_text("untrusted comment: no key\nRWQ\n")
    done = subprocess.run(line, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 2 and done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1, done.stderr
