# %% [markdown]
# # 10 的答案
#
# 第 k 大的值是门槛。归一化之后仍然是分布，才能拿去抽签。


# %%
def top_k(probs, k):
    threshold = np.sort(probs)[-k]
    kept = np.where(probs >= threshold, probs, 0.0)
    return kept / kept.sum()


check("10-1", top_k)
