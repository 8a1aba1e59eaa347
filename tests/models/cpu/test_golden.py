"""The golden logits with the CPU kernels."""

from __future__ import annotations

import pytest

from paddle_tasks.models import cpu
from paddle_tasks.models.pretrained.loading import load_pretrained

from ..conftest import GOLDEN
from ..test_golden import CHANGES, KINDS, MODELS, TOLERANCE, difference


@pytest.mark.parametrize("name", KINDS)
def test_states_and_pooler_are_hugging_faces(name):
    encoder = load_pretrained(str(GOLDEN / name))
    cpu.switch_in(encoder)
    assert any(cpu.is_switched_in(layer) for layer in encoder.sublayers())
    assert difference(encoder, GOLDEN / name) <= TOLERANCE


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", MODELS)
def test_a_wrong_model_differs_by_more(name, change):
    encoder = load_pretrained(str(GOLDEN / name))
    CHANGES[change](encoder)
    cpu.switch_in(encoder)
    assert difference(encoder, GOLDEN / name) > 2 * TOLERANCE
