"""oneDNN, the library of CPU kernels that PaddlePaddle brings, called directly; nothing here imports Paddle.

`library` finds and checks it, `execution` runs its primitives on numpy arrays, `primitives` has single operations,
`encoder_layer` a Transformer layer and `recurrent` a recurrent layer.
"""
