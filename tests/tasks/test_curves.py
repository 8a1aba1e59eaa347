"""The first losses of each task are those that tests/golden/make_curves.py once recorded."""

from __future__ import annotations

import json

import pytest

from ..helpers import ROOT
from .curves import N_STEPS, PRECISIONS, SEED, first_losses

TOLERANCE = 1e-4


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_first_losses_are_the_recorded_ones(name, precision):
    path = ROOT / "tests" / "golden" / "curves" / f"{name}.json"
    assert path.is_file(), f"no recorded losses; python -m tests.golden.make_curves {name} writes them"
    recorded = json.loads(path.read_text(encoding="utf-8"))
    assert recorded["seed"] == SEED
    expected = recorded["losses"][precision]
    assert len(expected) == N_STEPS
    assert first_losses(name, precision) == pytest.approx(expected, rel=TOLERANCE)
    assert first_losses(name, precision, seed=SEED + 1)[0] != pytest.approx(expected[0], rel=TOLERANCE)


@pytest.mark.long
def test_dropout_and_updates_show_in_the_losses(name):
    losses = first_losses(name, "float32")
    dropout = "model.pretraining_dropout" if name == "pretrain" else "model.dropout"
    assert first_losses(name, "float32", **{dropout: 0.0})[0] != pytest.approx(losses[0], rel=TOLERANCE)
    slow = first_losses(name, "float32", **{"optimizer.learning_rate": 1e-9})
    assert slow[0] == pytest.approx(losses[0], rel=TOLERANCE)
    assert all(abs(one - other) > TOLERANCE * other for one, other in zip(slow[1:], losses[1:], strict=True))
