# %% [markdown]
# # 09 的答案
#
# 输入比目标早一位：读到 `start` 时预测第一个字，读完最后一个字时预测 `end`。两者一样长。


# %%
def shift(target, start, end):
    return [start, *target], [*target, end]


check("09-1", shift)
