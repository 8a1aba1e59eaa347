"""oneDNN, the library of CPU kernels that PaddlePaddle brings, called directly; nothing here imports Paddle.

`library` finds and checks it, `primitives` has its operations on numpy arrays, and `encoder_layer` a Transformer layer.
"""
