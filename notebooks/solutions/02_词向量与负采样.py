# %% [markdown]
# # 02 的答案
#
# 先取幂再归一化；次幂为 1 是按词频抽，为 0 是平均抽。


# %%
def noise(counts, power):
    weights = counts**power
    return weights / weights.sum()


check("02-1", noise)
