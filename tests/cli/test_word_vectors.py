"""Word vectors on the command line: neighbours, analogies, and files that other programs read and write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from paddle_tasks.models.pretrained import tensors
from paddle_tasks.text.vector_files import read_vectors

from ..golden.word_vectors import FOLDER

WORDS, VECTORS = read_vectors(FOLDER / "gensim.txt")


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> Path:
    """A model that was imported from gensim's file, which no test may change."""
    from paddle_tasks.inference.export import import_model

    return import_model("word2vec", FOLDER / "gensim.bin", tmp_path_factory.mktemp("vectors") / "model")


def neighbours(stdout: str) -> list[list[str]]:
    return [[near["word"] for near in json.loads(line)["neighbours"]] for line in stdout.splitlines()]


def test_a_file_is_imported_used_and_exported_again(cli, tmp_path):
    assert cli("import", "word2vec", FOLDER / "gensim.bin", "--output", "mine").code == 0
    assert neighbours(cli("predict", "mine", "国家3", "全\u3000角", "--top-k", "2").stdout)[0][0] in WORDS
    for form in ("text", "binary"):
        outcome = cli("export", "mine", "--output", f"v.{form}", "--format", f"word2vec-{form}")
        assert outcome.stdout.startswith(f"model {tmp_path / f'v.{form}'}") or f"v.{form}" in outcome.stdout
        words, vectors = read_vectors(tmp_path / f"v.{form}")
        assert words == WORDS
        assert (vectors == VECTORS).all()
    assert "exists already" in cli("export", "mine", "--output", "v.text", "--format", "word2vec-text").stderr


def test_an_imported_model_has_no_vectors_of_contexts(imported):
    assert [*tensors.read(imported / "model.safetensors")] == ["words.weight"]


def test_the_binary_file_is_the_one_that_gensim_writes(cli, imported, tmp_path):
    cli("export", imported, "--output", "v.bin", "--format", "word2vec-binary")
    ours, theirs = ((path / name).read_bytes() for path, name in ((tmp_path, "v.bin"), (FOLDER, "gensim.bin")))
    assert ours.replace(b"\n", b"") == theirs.replace(b"\n", b"")  # word2vec.c ends vectors with a line break


def test_an_analogy_is_three_arguments_or_one(cli, imported):
    one = cli("predict", "word2vec", "--model", imported, "--analogy", "国家0", "国家0后", "国家2")
    other = cli("predict", imported, "--analogy", "国家0 国家0后 国家2", "国家1 国家1后 国家2")
    assert neighbours(one.stdout)[0] == neighbours(other.stdout)[0]
    assert neighbours(one.stdout)[0][0] == "国家2后"
    assert len(neighbours(other.stdout)) == 2
    refused = cli("predict", imported, "--analogy", "国家0", "国家0后")
    assert (refused.code, "expected three words" in refused.stderr) == (2, True)


def test_what_cannot_be_done_is_refused_with_the_reason(cli, imported, run):
    messages = {
        ("predict", "word2vec", "国家0"): "word2vec: no model ships for it; name one with --model",
        ("predict", imported, "国加0"): "'国加0' is not in the vocabulary of 62 words",
        ("predict", run, "国家0", "--analogy"): "--analogy: not for",
        ("export", imported, "--output", "x", "--format", "word2vec-txt"): "did you mean 'word2vec-text'?",
        ("export", run, "--output", "x", "--format", "word2vec-text"): "has the formats paddle-tasks, onnx, paddle",
        ("import", "sentiment", FOLDER / "gensim.bin", "--output", "x"): "word2vec does",
        ("import", "word2vec", FOLDER / "none.bin", "--output", "x"): "none.bin: no such file",
        ("import", "word2vec", FOLDER / "questions.txt", "--output", "x"): "expected a first line with the number",
    }
    for command, message in messages.items():
        outcome = cli(*command)
        assert (outcome.code, message in outcome.stderr) == (2, True), (command, outcome.stderr)
    assert not Path("x").exists()


def test_neighbours_are_by_cosine(cli, imported):
    units = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    cosines = units @ units[WORDS.index("PARIS")]
    best = [WORDS[place] for place in np.argsort(-cosines)[1:4]]
    assert neighbours(cli("predict", imported, "PARIS", "--top-k", "3").stdout) == [best]
