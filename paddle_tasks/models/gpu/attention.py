"""Attention in half precision on a GPU, by Paddle's fused kernels."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional
from paddle.nn.layer.transformer import _convert_attention_mask

from paddle_tasks.models.cpu import Replacement


def switch_in(model: nn.Layer) -> None:
    """Let Transformer encoder layers attend by ``scaled_dot_product_attention``.

    On a GPU that computes float16 and bfloat16 by flash attention, which keeps no weights <[batch, n_heads, length,
    length]> for the way back; where there is none (a V100, a head's size that is no multiple of 8) and in float32 it
    takes Paddle's memory-efficient kernels if they fit, and otherwise, as on a CPU, computes as the Layer itself does.
    The Layers keep their parameters and names; only ``forward`` is set, on the instance, unless somebody else has.

    What a test on a CPU can show is the layout, the mask and that gradients arrive. That the fused kernels take this
    mask, how close half precision comes, and that a seed fixes their dropout shows on a GPU only.
    """
    for layer in model.sublayers(include_self=True):
        if isinstance(layer, nn.TransformerEncoderLayer):
            own = layer.self_attn
            if type(own) is nn.MultiHeadAttention and "forward" not in vars(own):
                vars(own)["forward"] = Replacement(own, forward)


def forward(
    own: nn.MultiHeadAttention,
    query: Tensor,
    key: Tensor | None = None,
    value: Tensor | None = None,
    attn_mask: Tensor | None = None,
    cache: object = None,
) -> Tensor:
    """Do what the Layer's own forward does: <float>[batch, length, width] -> the same.

    Other keys than the queries, a cache, the weights and a mask that learns are left to the Layer's own forward.
    """
    is_self = all(other is None or other is query for other in (key, value))
    learns = attn_mask is not None and not attn_mask.stop_gradient
    if not is_self or cache is not None or own.need_weights or learns:
        return type(own).forward(own, query, key, value, attn_mask, cache)
    batch, length, _ = query.shape
    parts = [part(query) for part in (own.q_proj, own.k_proj, own.v_proj)]
    heads = [part.reshape([batch, length, own.num_heads, own.head_dim]) for part in parts]
    attended = functional.scaled_dot_product_attention(
        *heads, attn_mask=_offsets(attn_mask, heads[0]), dropout_p=own.dropout, training=own.training
    )
    return own.out_proj(attended.reshape([batch, length, own.embed_dim]))


def _offsets(mask: Tensor | None, queries: Tensor) -> Tensor | None:
    """Return what is added to the scores, in the queries' type and <[batch, n_heads, length, length]> in full.

    The kernels add a float mask as it is and want it in that type, where -1e9 may become -inf: a text without a single
    real position would be NaN, but there is none.
    """
    if mask is None:
        return None
    batch, length, n_heads, _ = queries.shape
    offsets: Tensor = _convert_attention_mask(mask, paddle.float32).expand([batch, n_heads, length, length])
    return offsets.astype(queries.dtype)
