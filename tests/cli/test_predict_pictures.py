"""`predict … --explain FILE`: the picture beside the answer, not in its place."""

from __future__ import annotations

import json

import pytest

from ..tasks.translate.test_task import RNN, build, read

TEXT = "学而时习之"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    task, path = read(**RNN), tmp_path_factory.mktemp("translate")
    task.save_model(build(task), path)
    return path


def test_a_picture_comes_beside_the_translation(cli, folder, tmp_path):
    plain = json.loads(cli("predict", folder, TEXT, "--length", "5", "--json").stdout)
    answer = json.loads(cli("predict", folder, TEXT, "--length", "5", "--explain", "map.svg").stdout)
    assert answer["outputs"][0]["text"] == plain["outputs"][0]["text"]
    assert "<svg" in (tmp_path / "map.svg").read_text(encoding="utf-8")


def test_on_a_terminal_the_translation_is_readable_beside_its_picture(cli, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    shown = cli("predict", folder, TEXT, "--length", "5", "--explain", "map.png").stdout
    assert TEXT in shown
    assert '"outputs"' not in shown
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
