"""What encoders of all kinds compute; the states of BERT and ERNIE are compared with Hugging Face elsewhere."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.encoders.build import SCRATCH, build_encoder
from paddle_tasks.models.encoders.section import EncoderSection
from paddle_tasks.models.inspection.encoders import encode, inspect_encoder, padding_check

IDS, TYPES = np.array([2, 7, 9, 4, 3]), np.zeros(5, np.int64)
TOLERANCE = 5e-6


def encoder_of(kind: str, **sizes: object) -> Encoder:
    paddle.seed(1)
    section = EncoderSection(encoder=kind, **{"hidden_size": 12, "embedding_size": 6, "n_heads": 2, **sizes})
    encoder = build_encoder(section, 20, 0)
    encoder.eval()
    return encoder


class WithoutMask(Encoder):
    """An encoder that reads padding as if it were text."""

    def __init__(self, inner: Encoder) -> None:
        super().__init__(inner.width)
        self.inner = inner

    def forward(self, input_ids, token_type_ids, lengths):
        return self.inner(input_ids, token_type_ids, paddle.full_like(lengths, input_ids.shape[1]))

    def describe(self):
        return {}


@pytest.mark.parametrize("kind", SCRATCH)
def test_what_must_be_true_is_true(kind):
    found = inspect_encoder(encoder_of(kind, n_layers=2), IDS, TYPES)
    assert found.checks
    assert max(check.difference for check in found.checks) < TOLERANCE
    assert all(output.array.size and output.purpose for output in found.outputs)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_the_last_state_of_a_transformer_is_what_it_returns(positions):
    encoder = encoder_of("transformer", n_layers=3, positions=positions)
    found = inspect_encoder(encoder, IDS, TYPES)
    states, _vectors = encode(encoder, IDS[None], TYPES[None], np.array([5]))
    assert found["hidden_states"].shape == (4, 5, 12)
    assert np.array_equal(found["hidden_states"][-1], states[0])
    assert found["attentions"].shape == (3, 2, 5, 5)
    assert not np.allclose(found["hidden_states"][0], found["words"], atol=1e-3)


def test_padding_changes_nothing_unless_the_mask_is_missing():
    encoder = encoder_of("transformer")
    assert padding_check(encoder, IDS, TYPES, 3).difference < TOLERANCE
    assert padding_check(WithoutMask(encoder), IDS, TYPES, 3).difference > 1000 * TOLERANCE


def test_an_unknown_output_is_a_key_error():
    found = inspect_encoder(encoder_of("textcnn"), IDS, TYPES)
    assert "states" in found
    assert "attentions" not in found
    with pytest.raises(KeyError, match="attentions"):
        found["attentions"]
