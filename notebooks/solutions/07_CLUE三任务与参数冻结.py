# %% [markdown]
# # 07 的答案
#
# `set` 去重，`sorted` 保证每次运行的顺序相同（集合本身没有顺序），`enumerate` 给出连续的编号。


# %%
def label_table(labels):
    return {label: number for number, label in enumerate(sorted(set(labels)))}


check("07-1", label_table)
