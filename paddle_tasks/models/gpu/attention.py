"""Attention on a GPU in half precision with Paddle's fused kernels."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional
from paddle.nn.layer.transformer import _convert_attention_mask

from paddle_tasks.models.replacement import replace_forward


def switch_in(model: nn.Layer) -> None:
    """Compute the attention of a model's Transformer encoder layers with ``scaled_dot_product_attention``.

    On a GPU it uses flash attention for float16 and bfloat16, which does not store the weights
    <[batch, n_heads, length, length]> for the backward pass. Without flash attention (a V100, or a head size that is no
    multiple of 8) and in float32 it uses Paddle's memory-efficient kernels if they apply; otherwise, and on a CPU, it
    computes as the Layer itself does. The Layers keep their parameters and state names: only ``forward`` is set, on the
    instance, unless it has already been set.

    Tests on a CPU cover the layout, the mask and that gradients arrive. Only a GPU can show that the fused kernels
    accept this mask, how close half precision comes, and that a seed fixes their dropout.
    """
    for layer in model.sublayers(include_self=True):
        if isinstance(layer, nn.TransformerEncoderLayer) and type(layer.self_attn) is nn.MultiHeadAttention:
            replace_forward(layer.self_attn, forward)


def forward(
    layer: nn.MultiHeadAttention,
    query: Tensor,
    key: Tensor | None = None,
    value: Tensor | None = None,
    attn_mask: Tensor | None = None,
    cache: object = None,
) -> Tensor:
    """Compute what the Layer's own forward does: <float>[batch, length, width] -> the same.

    Attention to other keys than the queries, a cache, returned weights and a mask that needs a gradient are left to the
    Layer's own forward.
    """
    is_self = all(other is None or other is query for other in (key, value))
    is_mask_trained = attn_mask is not None and not attn_mask.stop_gradient
    if not is_self or cache is not None or layer.need_weights or is_mask_trained:
        return type(layer).forward(layer, query, key, value, attn_mask, cache)
    batch, length, _ = query.shape
    parts = [part(query) for part in (layer.q_proj, layer.k_proj, layer.v_proj)]
    heads = [part.reshape([batch, length, layer.num_heads, layer.head_dim]) for part in parts]
    context = functional.scaled_dot_product_attention(
        *heads, attn_mask=score_offsets(attn_mask, heads[0]), dropout_p=layer.dropout, training=layer.training
    )
    return layer.out_proj(context.reshape([batch, length, layer.embed_dim]))


def score_offsets(mask: Tensor | None, queries: Tensor) -> Tensor | None:
    """Return the offsets to add to the scores, of the queries' type and full shape [batch, n_heads, length, length].

    The kernels add a float mask as it is, and it must have the queries' type, where -1e9 may become -inf. That would
    give NaN for a text without a real position, but every text has one.

    Args:
        mask: any mask that Paddle's attention accepts.
        queries: <float>[batch, length, n_heads, size].
    """
    if mask is None:
        return None
    batch, length, n_heads, _ = queries.shape
    offsets: Tensor = _convert_attention_mask(mask, paddle.float32).expand([batch, n_heads, length, length])
    return offsets.astype(queries.dtype)
