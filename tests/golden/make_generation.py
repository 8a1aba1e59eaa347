"""Write generation.json: what transformers makes of a small language model with known logits.

    python tests/golden/make_generation.py [FILE]

Needs torch and transformers, which the package itself does not. FILE is generation.json in the folder of this file by
default. Each case has options, prompts and what `generate` of transformers returns for them: with "beams" the outputs
and their scores, otherwise the tokens and the processed scores of every step (sampling cases have one step).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.modeling_outputs import CausalLMOutput

VOCABULARY, END, SEED = 24, 2, 20
PROMPTS = [[5, 6, 7, 5, 8, 6, 5], [9, 3, 9, 3, 11, 4, 9]]
STEPWISE: list[dict[str, Any]] = [
    {},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.7},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 3},
    {"bad_words_ids": [[4], [5, 9], [6, 5, 10], [11, 12]]},
    {"min_new_tokens": 6, "eos_token_id": [END, 7]},
    {"suppress_tokens": [0, 1, 9], "repetition_penalty": 2.0, "no_repeat_ngram_size": 2, "min_new_tokens": 3},
]
SAMPLING: list[dict[str, Any]] = [
    {"temperature": 0.4},
    {"temperature": 2.5},
    {"top_k": 1},
    {"top_k": 5},
    {"top_k": 100},
    {"top_p": 0.0},
    {"top_p": 0.3},
    {"top_p": 0.8},
    {"top_p": 0.97},
    {"min_p": 0.05},
    {"min_p": 0.5},
    {"min_p": 1.0},
    {"temperature": 0.5, "top_k": 8, "top_p": 0.8, "min_p": 0.3},
    {"temperature": 3.0, "top_k": 9, "top_p": 0.6},
    {"repetition_penalty": 3.0, "no_repeat_ngram_size": 2, "temperature": 0.7, "top_k": 6, "top_p": 0.9},
    {"suppress_tokens": [8, 10], "min_new_tokens": 1, "bad_words_ids": [[5, 14], [3]], "temperature": 1.5, "top_k": 4},
]
BEAMS: list[dict[str, Any]] = [
    {"num_beams": beams, "length_penalty": penalty, "early_stopping": early}
    for beams in (2, 4)
    for penalty in (1.0, 0.0, 2.0, -1.0)
    for early in (False, True, "never")
] + [
    {"num_beams": 5, "num_return_sequences": 5, "repetition_penalty": 1.5},
    {"num_beams": 3, "num_return_sequences": 3, "no_repeat_ngram_size": 2, "length_penalty": 1.5},
    {"num_beams": 4, "num_return_sequences": 4, "min_new_tokens": 5, "early_stopping": True},
    {"num_beams": 3, "num_return_sequences": 2, "bad_words_ids": [[4], [5, 9]], "suppress_tokens": [6, 0]},
    {"num_beams": 3, "num_return_sequences": 3, "eos_token_id": [END, 7, 12]},
    {"num_beams": 3, "eos_token_id": [END, 5, 9, 15, 18], "length_penalty": 2.0, "early_stopping": "never"},
    {"num_beams": 4, "num_return_sequences": 4, "repetition_penalty": 0.8, "max_new_tokens": 3},
]


def make_tables(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits after each token, and what each earlier token adds, <float32>[vocabulary, vocabulary] both."""
    numbers = np.random.default_rng(seed)
    after, earlier = (numbers.random((VOCABULARY, VOCABULARY)).astype(np.float32) for _ in range(2))
    return 6 * after - 3, earlier - 0.5


class SummingConfig(transformers.PretrainedConfig):
    """The configuration of `SummingModel`."""

    model_type = "summing"


class SummingModel(transformers.PreTrainedModel, transformers.GenerationMixin):
    """The logits after a prefix are those after its last token plus what each of its tokens adds."""

    config_class = SummingConfig

    def __init__(self, config: SummingConfig) -> None:
        """Make the tables."""
        super().__init__(config)
        after, earlier = make_tables(SEED)
        self.after, self.earlier = torch.nn.Parameter(torch.tensor(after)), torch.tensor(earlier)
        self.post_init()

    def forward(self, input_ids: torch.Tensor, **_: Any) -> CausalLMOutput:
        """Return the logits at every position."""
        return CausalLMOutput(logits=self.after[input_ids] + self.earlier[input_ids].cumsum(dim=1))


def generate(model: SummingModel, options: dict[str, Any]) -> Any:
    """Return what transformers generates for the prompts."""
    asked = {"eos_token_id": END, "pad_token_id": 0, "max_new_tokens": 12, "use_cache": False, **options}
    config = transformers.GenerationConfig(**asked, output_scores=True, return_dict_in_generate=True)
    prompts = torch.tensor(PROMPTS)
    torch.manual_seed(1)
    return model.generate(prompts, attention_mask=torch.ones_like(prompts), generation_config=config)


def step_case(model: SummingModel, options: dict[str, Any]) -> dict[str, Any]:
    """Return a case with the scores of each step; those of rows that have ended are not to be compared."""
    found = generate(model, options)
    scores = [[[None if one == -np.inf else one for one in row] for row in step.tolist()] for step in found.scores]
    return {"options": options, "tokens": found.sequences[:, len(PROMPTS[0]) :].tolist(), "scores": scores}


def beam_case(model: SummingModel, options: dict[str, Any]) -> dict[str, Any]:
    """Return a case of beam search."""
    asked = {"num_return_sequences": options["num_beams"], **options}
    found = generate(model, {**asked, "do_sample": False})
    tokens = found.sequences[:, len(PROMPTS[0]) :].tolist()
    return {"options": asked, "tokens": tokens, "sequence_scores": found.sequences_scores.tolist()}


def round_numbers(value: Any) -> Any:
    """Return nested lists and mappings with eight significant digits, which hold a float32."""
    if isinstance(value, dict):
        return {key: round_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [round_numbers(inner) for inner in value]
    return float(f"{value:.8g}") if isinstance(value, float) else value


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=Path(__file__).with_name("generation.json"))
    path = parser.parse_args().file
    model = SummingModel(SummingConfig()).eval()
    sampling = [{"top_k": 0, "do_sample": True, "max_new_tokens": 1, **options} for options in SAMPLING]
    content = {
        "transformers": transformers.__version__,
        "end": END,
        "prompts": PROMPTS,
        "after": make_tables(SEED)[0].tolist(),
        "earlier": make_tables(SEED)[1].tolist(),
        "stepwise": [step_case(model, {"do_sample": False, **options}) for options in STEPWISE],
        "sampling": [step_case(model, options) for options in sampling],
        "beams": [beam_case(model, options) for options in BEAMS],
    }
    lines = [f"{json.dumps(key)}: {json.dumps(round_numbers(value))}" for key, value in content.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
