# %% [markdown]
# # 12 的答案
#
# 每层有 (输入 + H) × H 个权重和两个偏置向量；第一层的输入是 I，其余各层的输入是 H。


# %%
def rnn_parameters(inputs, hidden, layers):
    sizes = [inputs] + [hidden] * (layers - 1)
    return sum((size + hidden) * hidden + 2 * hidden for size in sizes)


check("12-1", rnn_parameters)
