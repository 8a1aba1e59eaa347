"""Masked batches: a function of (seed, epoch, row), in BERT's form, and split into parts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.data.batching.masked_batches import FOLLOWS, NO_PAIR, NO_WORD, RANDOM, MaskedBatch, MaskedBatchBuilder
from paddle_tasks.data.corpus.passages import Passages, cut_rows
from paddle_tasks.text.masking import Masking
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from paddle_tasks.text.word_vectors import WordVectors
from paddle_tasks.training.ranks import Ranks

ENTRIES = [chr(code) for code in range(0x4E00, 0x4E00 + 300)]
# As in published vocabularies, the special tokens stand here and there.
TOKENIZER = Tokenizer([*ENTRIES[:50], "[PAD]", "[UNK]", "[CLS]", "[SEP]", *ENTRIES[50:], "[MASK]"])
SPECIAL_IDS = [TOKENIZER.vocabulary.index(token) for token in SPECIAL_TOKENS]
MASKING = Masking(0.3, 0.5, 0.3)


def make_passages(counts, *, pairs, room=20, sentence=7, seed=0):
    """Make documents of random tokens, in which units have up to three of them and sentences some seven."""
    generator = np.random.default_rng(seed)
    n_tokens = sum(counts)
    document_starts = np.cumsum(counts) - counts
    starts, ends, documents = cut_rows(np.array(counts, np.int64), room)
    words = np.setdiff1d(np.arange(len(TOKENIZER)), SPECIAL_IDS)
    inside = np.flatnonzero(generator.random(n_tokens) < 1 / sentence)
    return Passages(
        ids=generator.choice(words, n_tokens).astype(np.int32),
        unit_starts=generator.random(n_tokens) < 0.6,
        sentences=np.union1d(document_starts[np.array(counts) > 0], inside).astype(np.int64),
        starts=starts,
        ends=ends,
        documents=documents,
        pairs=pairs,
    )


SINGLE = make_passages([45, 7, 0, 63, 20, 1], pairs=False)
PAIRED = make_passages([45, 7, 0, 63, 20, 1, 90, 90], pairs=True)
both = pytest.mark.parametrize("passages", [SINGLE, PAIRED], ids=["single", "pairs"])


def made(passages, rows=None, epoch=0, seed=1, masking=MASKING) -> MaskedBatch:
    rows = range(len(passages)) if rows is None else rows
    return MaskedBatchBuilder(passages, TOKENIZER, masking, seed).build(list(rows), epoch)


def row_of(batch, at):
    """Return all that a batch says of the row that stands in a place of it."""
    length = int(batch.lengths[at])
    own = batch.positions[:, 0] == at
    return (
        batch.rows[at],
        batch.input_ids[at, :length].tolist(),
        batch.token_type_ids[at, :length].tolist(),
        batch.positions[own, 1].tolist(),
        batch.targets[own].tolist(),
        int(batch.pairs[at]),
    )


def rows_of(*batches):
    return [row_of(batch, at) for batch in batches for at in range(len(batch.rows))]


def uncovered(batch):
    """Return the ids as they were before tokens were hidden."""
    ids = batch.input_ids.copy()
    ids[batch.positions[:, 0], batch.positions[:, 1]] = batch.targets
    return ids


def segments(batch, at):
    """Return the texts of a row between its special tokens, uncovered."""
    ids = uncovered(batch)[at, : batch.lengths[at]].tolist()
    ends = [place for place, token in enumerate(ids) if token == TOKENIZER.sep_id]
    assert ids[0] == TOKENIZER.cls_id
    assert ends[-1] == len(ids) - 1
    assert ids.count(TOKENIZER.cls_id) == 1
    return [ids[start + 1 : end] for start, end in zip([0, *ends], ends, strict=False)]


def where_in_document(passages, tokens):
    """Return where tokens stand in all documents' tokens; three hundred entries let no two places be alike."""
    ids = passages.ids.tolist()
    found = [at for at, token in enumerate(ids) if token == tokens[0] and ids[at : at + len(tokens)] == tokens]
    assert len(found) >= 1
    return found


# ---- what a batch holds


@both
def test_each_token_keeps_its_word_and_special_tokens_have_none(passages):
    assert (made(passages).words == NO_WORD).all()
    words = WordVectors(passages.ids + 1000, np.zeros((0, 4), np.float32))
    batch = made(dataclasses.replace(passages, words=words))
    is_text = ~np.isin(uncovered(batch), SPECIAL_IDS)
    np.testing.assert_array_equal(batch.words[is_text], uncovered(batch)[is_text] + 1000)
    assert (batch.words[~is_text] == NO_WORD).all()
    assert batch.words.shape == batch.input_ids.shape
    np.testing.assert_array_equal(np.concatenate([part.words for part in batch.split(3)]), batch.words)


@both
def test_a_batch_has_its_rows_with_token_types_and_padding(passages):
    batch = made(passages)
    assert {array.dtype for array in (batch.input_ids, batch.token_type_ids, batch.lengths)} == {np.dtype(np.int64)}
    assert {array.dtype for array in (batch.positions, batch.targets, batch.pairs)} == {np.dtype(np.int64)}
    assert batch.lengths.tolist() == passages.lengths.tolist()
    assert batch.input_ids.shape == (len(passages), max(batch.lengths))
    for at, length in enumerate(batch.lengths):
        assert set(batch.input_ids[at, length:].tolist()) <= {TOKENIZER.pad_id}
        assert not batch.token_type_ids[at, length:].any()
        texts = segments(batch, at)
        types = [0] * (len(texts[0]) + 2) + [1] * (length - len(texts[0]) - 2)
        assert batch.token_type_ids[at, :length].tolist() == types
        tokens = passages[at]["ids"].tolist()
        if batch.pairs[at] == NO_PAIR:
            assert texts == [tokens]
        else:
            assert texts[0] == tokens[: len(texts[0])]
            assert len(texts[0]) + len(texts[1]) == len(tokens)
    assert (batch.n_tokens, batch.n_padded_tokens) == (batch.lengths.sum(), batch.input_ids.size)


@both
def test_only_text_tokens_are_masked(passages):
    batch = made(passages)
    assert batch.positions.tolist() == sorted(batch.positions.tolist())
    assert len(np.unique(batch.positions, axis=0)) == len(batch.targets)
    assert not np.isin(batch.targets, SPECIAL_IDS).any()
    assert batch.n_targets.tolist() == np.bincount(batch.positions[:, 0]).tolist()
    assert (batch.n_targets > 0).all()
    now = batch.input_ids[batch.positions[:, 0], batch.positions[:, 1]]
    assert 0.3 < (now == TOKENIZER.mask_id).mean() < 0.7
    assert (now != batch.targets).any()
    assert (now == batch.targets).any()


def test_random_replacements_are_all_tokens_but_the_special_ones():
    passages = make_passages([20_000], pairs=False, room=100)
    batch = made(passages, masking=Masking(0.9, 0.0, 1.0))
    drawn = np.unique(batch.input_ids[batch.positions[:, 0], batch.positions[:, 1]])
    assert drawn.tolist() == sorted(set(range(len(TOKENIZER))) - set(SPECIAL_IDS))


def test_units_are_masked_whole_even_if_a_row_splits_one():
    passages = make_passages([200] * 4, pairs=True, seed=4)
    # Three units in a row: far longer than what may be hidden, so that one of them is hidden alone.
    few = Passages(
        passages.ids,
        np.arange(800) % 9 == 4,
        passages.sentences,
        passages.starts,
        passages.ends,
        passages.documents,
        pairs=True,
    )
    assert not few.unit_starts[few.starts].all()
    batch = made(few, masking=Masking(0.05))
    for at, row in enumerate(batch.rows):
        texts = segments(batch, at)
        where = [few.starts[row], *([] if len(texts) == 1 else where_in_document(few, texts[1])[:1])]
        edges, column = [], 1
        for start, text in zip(where, texts, strict=True):
            edges += [column, *(column + place for place in range(1, len(text)) if few.unit_starts[start + place])]
            column += len(text) + 1
        columns = batch.positions[batch.positions[:, 0] == at, 1].tolist()
        ends = [*edges[1:], column]
        if len(texts) == 2:  # the [SEP] between the texts is of no unit
            ends[edges.index(len(texts[0]) + 2) - 1] -= 1
        ends[-1] = column - 1
        assert columns in [list(range(start, end)) for start, end in zip(edges, ends, strict=True)]


# ---- a function of (seed, epoch, row) alone


WHOLES = {id(passages): rows_of(made(passages)) for passages in (SINGLE, PAIRED)}


@both
@settings(max_examples=50)
@given(data=st.data())
def test_a_row_is_masked_the_same_in_every_batch(passages, data):
    whole = WHOLES[id(passages)]
    rows = data.draw(st.lists(st.integers(0, len(passages) - 1), max_size=6))
    assert rows_of(made(passages, rows)) == [whole[row] for row in rows]


@both
@pytest.mark.parametrize("size", [2, 3, 50])
def test_all_ranks_together_have_the_rows_of_one_process(passages, size):
    groups = LengthGroupedBatchSampler(passages.lengths, 3, seed=1).batches()
    maker = MaskedBatchBuilder(passages, TOKENIZER, MASKING, 1)
    alone = rows_of(*maker.iterate(groups, 2))
    shares = [list(maker.iterate([Ranks(rank, size).shard(rows) for rows in groups], 2)) for rank in range(size)]
    assert all(len(share) == len(groups) for share in shares)
    assert sorted(rows_of(*(batch for share in shares for batch in share))) == sorted(alone)


@both
def test_seeds_and_epochs_give_other_masks(passages):
    found = [rows_of(made(passages, epoch=epoch, seed=seed)) for seed in (1, 2, 3) for epoch in (0, 1, 2)]
    assert len({str(rows) for rows in found}) == 9
    assert rows_of(made(passages, epoch=1, seed=2)) == found[4]


@both
def test_the_passages_are_not_changed(passages):
    before = passages.ids.copy(), passages.unit_starts.copy()
    made(passages)
    assert (passages.ids == before[0]).all()
    assert (passages.unit_starts == before[1]).all()


def test_random_choices_are_unchanged():
    """A run that is continued with a later version has to go on with the same batches."""
    learnt = Tokenizer([*SPECIAL_TOKENS, *ENTRIES])
    places = np.arange(40)
    rows = cut_rows(np.array([20, 20]), 10)
    passages = Passages((100 + places).astype(np.int32), places % 2 == 0, places[::3], *rows, pairs=True)
    batch = MaskedBatchBuilder(passages, learnt, Masking(0.4, 0.5, 0.3), 1).build([0, 3], 3)
    assert batch.pairs.tolist() == [RANDOM, FOLLOWS]
    assert batch.targets.tolist() == [102, 103, 122, 123, 134, 135, 138, 139]
    assert batch.input_ids.tolist() == [
        [2, 100, 101, 172, 223, 104, 105, 3, 121, 4, 4, 124, 3],
        [2, 130, 131, 132, 133, 4, 4, 3, 136, 137, 58, 298, 3],
    ]


def test_no_rows_make_an_empty_batch():
    batch = made(PAIRED, [])
    assert batch.input_ids.shape == batch.token_type_ids.shape == (0, 0)
    assert batch.positions.shape == (0, 2)
    assert {len(array) for array in (batch.lengths, batch.targets, batch.pairs, batch.n_targets, batch.rows)} == {0}
    assert (batch.n_tokens, batch.n_padded_tokens) == (0, 0)
    assert {array.dtype for array in (batch.input_ids, batch.positions, batch.targets)} == {np.dtype(np.int64)}


# ---- pairs

MANY = make_passages([100] * 60, pairs=True)


def test_half_of_the_second_texts_are_from_another_document():
    batches = [made(MANY, epoch=epoch) for epoch in range(6)]
    kinds = np.concatenate([batch.pairs for batch in batches])
    pairs = kinds[kinds != NO_PAIR]
    assert len(pairs) > 1000
    assert abs((pairs == RANDOM).mean() - 0.5) < 4 * 0.5 / len(pairs) ** 0.5
    for at in range(len(batches[0].rows)):
        check_pair(batches[0], at)


def check_pair(batch, at):
    texts, row = segments(batch, at), batch.rows[at]
    if batch.pairs[at] == NO_PAIR:
        assert len(texts) == 1
        assert not len(MANY.sentences_within(row))
        return
    middle = MANY.starts[row] + len(texts[0])
    assert middle in MANY.sentences_within(row)
    assert len(texts[1]) == MANY.ends[row] - middle > 0
    if batch.pairs[at] == FOLLOWS:
        assert texts[1] == MANY.ids[middle : MANY.ends[row]].tolist()
    elif len(texts[1]) > 2:
        (start,) = where_in_document(MANY, texts[1])
        other = np.flatnonzero((MANY.starts <= start) & (start < MANY.ends))[0]
        assert MANY.documents[other] != MANY.documents[row]
        assert start + len(texts[1]) <= MANY.ends[other]
        assert start == MANY.starts[other] or start in MANY.sentences


def test_a_row_is_divided_at_any_of_its_sentences():
    row = int(np.argmax([len(MANY.sentences_within(row)) for row in range(len(MANY))]))
    middles = {len(segments(made(MANY, [row], epoch), 0)[0]) for epoch in range(200)}
    assert middles == set((MANY.sentences_within(row) - MANY.starts[row]).tolist())


def test_without_another_document_every_second_text_follows():
    passages = make_passages([400], pairs=True)
    assert set(made(passages).pairs.tolist()) <= {FOLLOWS, NO_PAIR}
    assert FOLLOWS in made(passages).pairs


def test_rows_without_a_sentence_inside_are_single_texts():
    passages = make_passages([100] * 6, pairs=True, sentence=10**9)
    batch = made(passages)
    assert set(batch.pairs.tolist()) == {NO_PAIR}
    assert all(len(segments(batch, at)) == 1 for at in range(len(passages)))


def test_there_are_no_pairs_unless_configured():
    assert set(made(SINGLE).pairs.tolist()) == {NO_PAIR}
    assert set(made(PAIRED).pairs.tolist()) == {NO_PAIR, FOLLOWS, RANDOM}


# ---- parts


@both
@pytest.mark.parametrize("n_parts", [1, 2, 3, 4, 8, 100])
def test_the_parts_of_a_batch_add_up_to_it(passages, n_parts):
    whole = made(passages)
    parts = whole.split(n_parts)
    assert len(parts) <= n_parts
    assert len(parts) == min(n_parts, len(parts))
    assert max(len(part.rows) for part in parts) == -(-len(passages) // n_parts)
    assert rows_of(*parts) == rows_of(whole)
    for name in ("input_ids", "token_type_ids", "lengths", "targets", "pairs", "n_targets"):
        assert np.concatenate([getattr(part, name) for part in parts]).tolist() == getattr(whole, name).tolist()
    assert sum(part.n_tokens for part in parts) == whole.n_tokens
    assert sum(part.n_padded_tokens for part in parts) == whole.n_padded_tokens


@pytest.mark.parametrize("n_parts", [1, 3])
def test_the_inputs_match_the_models_arguments(n_parts):
    for part in made(PAIRED).split(n_parts):
        ids, types, lengths, positions = (tensor.numpy() for tensor in part.inputs)
        assert (ids == part.input_ids).all()
        assert (types == part.token_type_ids).all()
        assert lengths.tolist() == part.lengths.tolist()
        flat = uncovered(part).ravel()[positions]
        assert flat.tolist() == part.targets.tolist()
