"""What people call the classes of white cells."""

import pytest

from edge.errors import UserError
from edge.site.class_names import are_classes, guess, label, mapping, options


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        ("lymphocyte Lymphocytes LYMPHOCYTE lymph Lymphs LYM LY ly", "lymphocyte"),
        ("monocyte Monocytes MONO mono monos MON MO", "monocyte"),
        ("Neutrophils NE neut", "neutrophil"),
        ("EOSINOPHIL eo EOS", "eosinophil"),
        ("basophils BA", "basophil"),
        ("Blasts blast", "blast"),
        ("immature_granulocytes", "immature_granulocyte"),
        ("lymphoblasts", "lymphoblast"),
    ],
)
def test_usual_names(names: str, meant: str) -> None:
    assert {label(name) for name in names.split()} == {meant}
    assert mapping(names.split()) == dict.fromkeys(names.split(), meant)


def test_a_guess_is_asked_for() -> None:
    for name in ("atypical lymphocyte", "Lymphocite", "lymphocytes_2", "L", "LYT"):
        assert guess(name) == "lymphocyte", name
        with pytest.raises(UserError, match=f"'{name}' may be lymphocyte.*--label '?{name}=lymphocyte"):
            mapping([name])
    assert guess("monocites") == guess("typ. monocyte") == guess("MOB") == "monocyte"
    assert not any(map(guess, ("LY", "monoblast", "pro-monocyte", "Prolymphocytes", "mononuclear", "other", "0")))
    assert mapping(["L", "M"], {"L": "Lymph", "M": "other"}) == {"L": "lymphocyte", "M": "other"}
    with pytest.raises(UserError, match=r"no class 'X'; the classes are: L"):
        mapping(["L"], {"X": "monocyte"})
    with pytest.raises(UserError, match="may be lymphocyte"):
        mapping(["L"], {"L": "atypical lymphocyte"})


def test_initials_of_patients_are_no_classes() -> None:
    assert are_classes(["LY", "MO", "x"]) and are_classes(["mono", "x"])
    assert not are_classes(["MO", "BA", "TK"]) and not are_classes([])


def test_options() -> None:
    assert options(["a=b=monocyte", "L=lymph"]) == {"a=b": "monocyte", "L": "lymph"}
    for text in ("L", "=x", "L= "):
        with pytest.raises(UserError, match="NAME=LABEL"):
            options([text])
