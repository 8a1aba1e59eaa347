"""The vocabulary of characters."""

from __future__ import annotations

from paddle_tasks.data.corpus.characters import REPLACEMENT, CharacterVocabulary


def test_characters_are_learnt_by_frequency_then_code():
    vocabulary = CharacterVocabulary.learn(["乙乙丙丙\n", "\n\n甲"], min_count=2)
    assert vocabulary.characters == ("\n", "丙", "乙")
    assert vocabulary.entries == ("[UNK]", "\n", "丙", "乙", "[CLS]", "[SEP]", "[MASK]", "[PAD]")
    assert vocabulary.n_outputs == 4
    assert [vocabulary.start_id, vocabulary.end_id, vocabulary.mask_id, vocabulary.pad_id] == [4, 5, 6, 7]


def test_any_other_character_is_unknown():
    vocabulary = CharacterVocabulary("ab")
    assert vocabulary.encode("ba𠀀\ud800b").tolist() == [2, 1, 0, 0, 2]
    assert vocabulary.decode([2, 0, 1, vocabulary.start_id]) == f"b{REPLACEMENT}a"
    assert vocabulary.unknown_types(["abc", "cd"]) == {"c", "d"}
    assert "a" in vocabulary
    assert "c" not in vocabulary
    assert "ab" not in vocabulary
