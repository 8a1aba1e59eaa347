"""Teacher forcing: which entries a decoder reads in training, those of the target or its own predictions."""

from __future__ import annotations

import numpy as np
import paddle

from paddle_tasks.arrays import Array
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.seq2seq.base import EncoderDecoder, Source, Target


@without_gradients
def mix_inputs(model: EncoderDecoder, source: Source, target: Target, is_forced: Array) -> Target:
    """Return targets in whose inputs some entries are replaced by the model's own predictions.

    Scheduled sampling (Bengio et al., 2015, https://arxiv.org/abs/1506.03099) for all positions at once, as in
    Mihaylova and Martins (2019, https://arxiv.org/abs/1906.07651): a first pass over the target predicts each entry, a
    second one, that of training, reads the predictions. What is to be predicted stays the same.

    Args:
        model: the model, in its present mode.
        source: the sources.
        target: the targets.
        is_forced: <bool>[batch, length], the inputs that stay.
    """
    inputs = target.input_ids.numpy()
    predicted = inputs.copy().reshape(-1)
    following = target.positions.numpy() + 1  # a prediction is the input of the next position
    predictions = model.predicted(source, target)
    is_input = np.isin(following, target.positions.numpy()) & (following % inputs.shape[1] != 0)
    predicted[following[is_input]] = predictions[is_input]
    mixed = np.where(is_forced, inputs, predicted.reshape(inputs.shape))
    return target._replace(input_ids=paddle.to_tensor(mixed))
