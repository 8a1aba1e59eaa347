"""Packed features: a sequence of the encoded rows that MapDataset accepts."""

from __future__ import annotations

import numpy as np
import pytest
from paddlenlp.datasets import MapDataset

from paddle_tasks.data.batching.packed import PackedFeatures
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer

TEXTS, SECONDS = ["好", "", "好的好"], ["的", "好的", ""]
TOKENIZER = Tokenizer([*SPECIAL_TOKENS, "好", "的"])
LABELS = np.array([1, 0, 2])


@pytest.fixture(params=[None, SECONDS], ids=["single", "pairs"])
def pairs(request):
    return request.param


@pytest.fixture
def packed(pairs):
    return PackedFeatures(TOKENIZER.encode_packed(TEXTS, pairs, max_length=6), LABELS)


def test_every_row_is_what_encode_gives(packed, pairs):
    expected = TOKENIZER.encode(TEXTS, pairs, max_length=6)
    for features, one, label in zip(packed, expected, LABELS, strict=True):
        assert features["input_ids"].tolist() == one.input_ids.tolist()
        assert features["token_type_ids"].tolist() == one.token_type_ids.tolist()
        assert {features["input_ids"].dtype, features["token_type_ids"].dtype} == {np.dtype(np.int32)}
        assert features["label"] == label
        assert type(features["label"]) is int
    assert packed.lengths.tolist() == [len(one.input_ids) for one in expected]


def test_indices_may_be_negative_and_out_of_range_raises(packed):
    assert len(packed) == 3
    assert packed[-1]["input_ids"].tolist() == packed[2]["input_ids"].tolist()
    assert [features["label"] for features in packed[1:]] == [0, 2]
    assert [features["label"] for features in packed[::-2]] == [2, 1]
    for row in (3, -4):
        with pytest.raises(IndexError):
            packed[row]


def test_a_map_dataset_carries_it(packed):
    dataset = MapDataset(TEXTS).map(lambda texts: packed, batched=True)
    assert len(dataset) == 3
    assert dataset[2]["label"] == 2
    assert dataset.new_data is packed


def test_a_label_is_needed_for_each_row(packed):
    with pytest.raises(ValueError, match="a label for each of 3 rows, found 2"):
        PackedFeatures(packed.ids, LABELS[:2])
