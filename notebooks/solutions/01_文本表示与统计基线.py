# %% [markdown]
# # 01 的答案
#
# `word in document` 对一篇文档只算一次，正是 df 的定义。加 1 是平滑：没见过的词也有有限的权重。


# %%
def idf(documents, word):
    frequency = sum(word in document for document in documents)
    return np.log((1 + len(documents)) / (1 + frequency)) + 1


check("01-1", idf)
