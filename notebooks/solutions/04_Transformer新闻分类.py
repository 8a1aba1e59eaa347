# %% [markdown]
# # 04 的答案
#
# 线性层有“输入 × 输出”个权重和“输出”个偏置；层归一化有 γ 和 β，各 `width` 个。头数不影响参数量：各个头只是把宽度分开用。


# %%
def n_parameters(width, inner):
    attention = 4 * (width * width + width)
    feed_forward = (width * inner + inner) + (inner * width + width)
    return attention + feed_forward + 2 * 2 * width


check("04-1", n_parameters)
