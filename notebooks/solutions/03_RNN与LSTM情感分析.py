# %% [markdown]
# # 03 的答案
#
# 切片超出末尾也不会出错，最后一批自然就短一些。


# %%
def batches(rows, size):
    return [rows[start : start + size] for start in range(0, len(rows), size)]


check("03-1", batches)
