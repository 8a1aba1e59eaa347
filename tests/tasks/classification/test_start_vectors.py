"""model.word_vectors: the first embeddings are those of the file; what cannot be used is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_tasks.errors import ConfigError, DataError, UserError
from paddle_tasks.inference.pipelines import load
from paddle_tasks.text.vector_files import write_vectors
from paddle_tasks.workflows.train import train

from ..conftest import fixture_of, quick_config, read_task, sources

SIZE = 6
WORDS = ["好", "差", "酒店", "A", "a b"]
VECTORS = np.random.default_rng(4).normal(scale=3.0, size=(len(WORDS), SIZE)).astype(np.float32)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "vectors.bin"
    write_vectors(path, WORDS, VECTORS, "binary")
    return path


def read(file: Path, *settings: str) -> Any:
    small = ["model.encoder=textcnn", f"model.embedding_size={SIZE}", "model.hidden_size=4", *settings]
    return read_task("sentiment", fixture_of("sentiment"), f"model.word_vectors={file}", *small)


@pytest.mark.parametrize("encoder", ["textcnn", "bilstm"])
def test_embeddings_start_with_the_vectors_and_the_others_have_their_deviation(file, encoder):
    task = read(file, f"model.encoder={encoder}")
    table, vocabulary = task.build_model().encoder.embedding.weight.numpy(), task.tokenizer.vocabulary
    known = [vocabulary.index(word) for word in WORDS[:2]]
    assert (table[known] == VECTORS[:2]).all()
    others = np.delete(table, [*known, vocabulary.index("[PAD]")], axis=0)
    assert others.std() == pytest.approx(VECTORS[:2].std(), rel=0.01)
    assert not table[vocabulary.index("[PAD]")].any()
    entries = f"2 of {len(vocabulary):,} vocabulary entries"
    assert sum(entries in line for line in task.describe_data()) == 1


def test_a_word_in_capitals_serves_an_entry_in_small_letters(tmp_path):
    write_vectors(tmp_path / "v", ["A", "a", "B"], VECTORS[:3], "text")
    path = tmp_path / "rows.tsv"
    path.write_text("label\ttext\n0\ta b 好\n1\ta b 差\n", encoding="utf-8")
    task = read_task(
        "sentiment", path, f"model.word_vectors={tmp_path / 'v'}", "model.encoder=gru", f"model.embedding_size={SIZE}"
    )
    table, vocabulary = task.build_model().encoder.embedding.weight.numpy(), task.tokenizer.vocabulary
    assert (table[[vocabulary.index("a"), vocabulary.index("b")]] == VECTORS[1:3]).all()


@pytest.mark.parametrize(
    ("setting", "kind", "message"),
    [
        ("model.encoder=transformer", ConfigError, "for the encoders rnn, gru, lstm, bilstm or textcnn, found transf"),
        ("model.embedding_size=8", ConfigError, "have 6 numbers, the embeddings 8; set model.embedding_size=6"),
        ("model.word_vectors=none.bin", DataError, "model.word_vectors: no such file none.bin"),
    ],
)
def test_what_does_not_fit_is_refused(file, setting, kind, message):
    with pytest.raises(kind, match=message):
        read(file, setting)


def test_files_without_a_known_entry_or_of_another_format_are_refused(tmp_path):
    write_vectors(tmp_path / "v", ["龘龘", "x y"], VECTORS[:2], "text")
    with pytest.raises(DataError, match=r"has none of the \d+ entries of the vocabulary; its words are '龘龘', 'x y'"):
        read(tmp_path / "v")
    (tmp_path / "v").write_text("not vectors", encoding="utf-8")
    with pytest.raises(DataError, match=r"model.word_vectors: .*: expected a first line with the number of words"):
        read(tmp_path / "v")


def test_a_trained_model_needs_the_file_no_more_and_a_changed_file_is_not_resumed(file, tmp_path):
    settings = {
        **sources(fixture_of("sentiment")),
        "model.encoder": "textcnn",
        "model.hidden_size": 4,
        "model.embedding_size": SIZE,
        "model.word_vectors": str(file),
        "training.epochs": 2,
        "training.max_steps": 2,
        "training.save_every_steps": 1,
        "logging.visualdl": False,
        "run_dir": str(tmp_path / "run"),
    }
    run = train(quick_config("sentiment"), **settings)
    file.unlink()
    assert load(run.folder)("很好")["label"]
    (tmp_path / "run" / "result.json").unlink()
    write_vectors(file, WORDS, -VECTORS, "binary")
    with pytest.raises(UserError, match=r"model\.word_vectors"):
        train(quick_config("sentiment"), **settings)
