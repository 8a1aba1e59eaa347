"""Attention as a picture: which arguments of the command name it, and what is written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from paddle_tasks.cli.predict import split_pictures
from paddle_tasks.errors import DataError
from paddle_tasks.tasks.translate.panels import ATTENTION

RECORD = {"input": "学而", "outputs": [{"text": "学了", "attention": [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]}]}


def split(texts: list[str], *, explain: bool = True, draws: bool = True) -> tuple[list[str], dict[str, Any]]:
    usage: Any = SimpleNamespace(formats={"explain": ATTENTION} if draws else {})
    return split_pictures(texts, {"explain": explain}, usage)


def test_a_file_after_explain_is_no_text():
    texts, formats = split(["学而时习之", "a.svg"])
    assert (texts, formats) == (["学而时习之"], {"explain": (ATTENTION, Path("a.svg"))})


@pytest.mark.parametrize("how", [{"explain": False}, {"draws": False}], ids=str)
def test_other_commands_have_such_texts(how):
    assert split(["学而时习之", "a.svg"], **how) == (["学而时习之", "a.svg"], {})


def test_explain_alone_draws_nothing():
    assert split(["学而时习之"]) == (["学而时习之"], {})


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_a_picture_is_written(suffix, start, tmp_path):
    path = tmp_path / f"attention{suffix}"
    ATTENTION.write_file([RECORD], path)
    assert path.read_bytes().startswith(start)


def test_a_picture_is_of_one_text(tmp_path):
    with pytest.raises(DataError, match="expected one text for a picture, found 2"):
        ATTENTION.write_file([RECORD, RECORD], tmp_path / "a.png")
