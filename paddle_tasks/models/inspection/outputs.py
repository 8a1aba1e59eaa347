"""What is shown of a model: its outputs with their axes and purposes, and what must be true of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.language import _


@dataclass(frozen=True, eq=False)
class Output:
    """Something that a model computes for a text.

    Attributes:
        name: its name, as Hugging Face and PaddleNLP call it where they have it.
        axes: the names of its axes.
        array: the numbers <float32>.
        purpose: what it is for, in a sentence.
    """

    name: str
    axes: str
    array: Array
    purpose: str


@dataclass(frozen=True)
class Check:
    """Something that must be true of outputs.

    Attributes:
        sentence: what is true if the difference is about 0.
        difference: the largest absolute difference.
    """

    sentence: str
    difference: float


@dataclass(frozen=True)
class Findings:
    """All that is shown of a model and a text.

    Attributes:
        outputs: the outputs.
        checks: what must be true of them.
        remarks: sentences about outputs that this kind of model does not have.
    """

    outputs: tuple[Output, ...]
    checks: tuple[Check, ...]
    remarks: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Array:
        """Return the array of an output.

        Raises:
            KeyError: there is no such output.
        """
        for output in self.outputs:
            if output.name == name:
                return output.array
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(output.name == name for output in self.outputs)


def largest_difference(first: Array, second: Array) -> float:
    """Return the largest absolute difference of two arrays."""
    return float(np.abs(np.asarray(first, np.float64) - np.asarray(second, np.float64)).max(initial=0))


def rows_sum_to_one(weights: Array) -> Check:
    """Return the check that each row of attention weights <float32>[..., queries, keys] sums to 1."""
    return Check(_("each row of attention sums to 1"), largest_difference(weights.sum(axis=-1), np.ones(1)))


def hidden_states(array: Array) -> Output:
    """Return the states <float32>[layers + 1, length, width] as an output."""
    purpose = _("the input of the first layer and the result of each layer: later layers know more of the context")
    return Output("hidden_states", _("layers + 1, length, width"), array, purpose)


def attentions(array: Array) -> Output:
    """Return attention weights <float32>[layers, heads, length, length] as an output."""
    purpose = _("how much each token takes from each other token, in each head of each layer")
    return Output("attentions", _("layers, heads, length, length"), array, purpose)
