"""What an encoder computes inside, against Hugging Face (see tests/golden/make_inspection.py)."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_tasks.errors import ConfigError
from paddle_tasks.models.encoders.inspection import Inside, look_inside
from paddle_tasks.models.pretrained.loading import load_pretrained

from ..conftest import GOLDEN

TOLERANCE = 5e-6


def inside(name: str, shift: int = 0) -> Inside:
    encoder = load_pretrained(str(GOLDEN / name))
    encoder.eval()
    expected = np.load(GOLDEN / name / "expected.npz")
    return look_inside(encoder, expected["input_ids"][0] + shift, expected["token_type_ids"][0])


def differences(found: Inside, name: str) -> list[float]:
    expected = np.load(GOLDEN / name / "inspection.npz")
    assert {key: getattr(found, key).shape for key in expected} == {key: expected[key].shape for key in expected}
    return [float(np.abs(getattr(found, key) - expected[key]).max()) for key in expected]


@pytest.mark.parametrize("name", ["bert", "ernie"])
def test_states_attentions_and_pooler_are_hugging_faces(name):
    assert max(differences(inside(name), name)) <= TOLERANCE


def test_another_text_differs():
    assert min(differences(inside("bert", shift=-1), "bert")) > 10 * TOLERANCE


@pytest.mark.parametrize("name", ["bert", "ernie", "roberta", "electra"])
def test_embeddings_summed_by_hand_are_the_input(name):
    found = inside(name)
    assert np.abs(found.summed - found.hidden_states[0]).max() <= TOLERANCE
    assert np.allclose(found.attentions.sum(axis=3), 1, atol=1e-6)


def test_an_albert_is_refused():
    with pytest.raises(ConfigError, match="albert"):
        inside("albert")
