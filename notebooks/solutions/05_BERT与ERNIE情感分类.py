# %% [markdown]
# # 05 的答案
#
# 补齐位置乘以 0，就不影响和；再除以真实长度，而不是补齐后的长度。`unsqueeze(-1)` 让 mask 能与最后一维相乘。


# %%
def mean_pool(states, mask):
    weights = mask.unsqueeze(-1).astype(states.dtype)
    return (states * weights).sum(axis=1) / weights.sum(axis=1)


check("05-1", mean_pool)
