"""How explained predictions are displayed."""

from __future__ import annotations

from paddle_tasks.tasks.classification.display import character_strengths


def test_the_values_of_tokens_that_share_a_character_are_added():
    assert character_strengths("abc", [[0, 1, 1.0], [0, 1, 1.0], [1, 3, -1.0]]) == [1.0, -0.5, -0.5]
    assert character_strengths("abc", []) == [0.0] * 3
    assert character_strengths("abc", [[0, 1, 0.0]]) == [0.0] * 3
