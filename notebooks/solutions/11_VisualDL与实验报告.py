# %% [markdown]
# # 11 的答案
#
# `ddof=1` 就是除以 n − 1；numpy 默认除以 n，几个种子时会低估差别。


# %%
def mean_and_deviation(scores):
    return pd.Series(scores).mean(), pd.Series(scores).std(ddof=1)


check("11-1", mean_and_deviation)
