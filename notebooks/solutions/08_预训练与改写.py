# %% [markdown]
# # 08 的答案
#
# 选中 15%，其中 80% + 10% 变了样，10% 保持不变。


# %%
def expected(n_tokens):
    return n_tokens * 0.15 * 0.9


check("08-1", expected)
