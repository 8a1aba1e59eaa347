"""The array of earlier tokens against lists of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.generation.history import NO_TOKEN, History

prompts = st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=4)


@given(prompts, st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), max_size=6), st.integers(0, 200))
def test_rows_grow_and_are_selected_as_lists_are(rows, selections, n_more):
    history, tokens = History(rows), [list(row) for row in rows]
    for step, selection in enumerate([*selections, *[[]] * n_more]):
        if selection:
            chosen = [number % len(tokens) for number in selection]
            history.select(chosen)
            tokens = [list(tokens[number]) for number in chosen]
        added = [(step + number) % 10 for number in range(len(tokens))]
        history.append(added)
        tokens = [[*row, token] for row, token in zip(tokens, added, strict=True)]
    assert [[token for token in row if token != NO_TOKEN] for row in history.ids.tolist()] == tokens
    assert history.n_new == len(selections) + n_more
    assert history.ids.shape == (len(tokens), max(map(len, rows)) + history.n_new)
