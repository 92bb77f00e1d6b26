"""The commands' options."""

import pytest
from conftest import invoke

from train import cli


@pytest.mark.parametrize("name", ["baseline", "transfer", "compact"])
def test_help_shows_every_option_in_its_group(name: str) -> None:
    text = invoke("train", name, "--help").stdout
    for group in ("The data:", "What to learn:", "How to learn:", "What to write:"):
        assert group in text
    for parameter in cli.main.commands[name].params:
        assert parameter.opts[0] in text, parameter.opts[0]
