"""Write the hidden states and attentions of the golden BERT and ERNIE as computed by Hugging Face.

    python tests/golden/make_inspection.py

Needs torch and transformers. The texts are the first row of ``expected.npz``, which `make_golden` has written.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import transformers

for name in ("bert", "ernie"):
    folder = Path(__file__).parent / name
    given = np.load(folder / "expected.npz")
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    ids, types = (torch.tensor(given[key][:1]) for key in ("input_ids", "token_type_ids"))
    with torch.no_grad():
        output = model(ids, token_type_ids=types, output_hidden_states=True, output_attentions=True)
    np.savez_compressed(
        folder / "inspection.npz",
        hidden_states=np.stack([state[0].numpy() for state in output.hidden_states]),
        attentions=np.stack([weights[0].numpy() for weights in output.attentions]),
        pooler_output=output.pooler_output[0].numpy(),
    )
