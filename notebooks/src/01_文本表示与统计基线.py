# %% [markdown]
# # 01 文本表示与统计基线
#
# **目标**：计算机只认识数字，文本怎样变成向量？从词袋到 TF-IDF，再用一个线性分类器做出**基线**——后面每个神经网络都要先和它比。
#
# **用到的**：jieba、scikit-learn；`paddle_tasks.baseline`。

# %%
from course import check, config, samples, show
from paddle_tasks import baseline
from paddle_tasks.figures.matrices import matrix
from paddle_tasks.figures.scores import bars

import jieba
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.svm import LinearSVC

jieba.setLogLevel("WARNING")

# %% [markdown]
# ## 1 词袋
#
# 最简单的表示：数每个词出现几次，不管顺序。中文没有空格，所以先要分词——或者干脆用字。

# %%
sentence = "房间干净，就是早餐太差了"
print("分词：", jieba.lcut(sentence))
print("单字：", list(sentence))
print("二元：", [sentence[start : start + 2] for start in range(len(sentence) - 1)])

# %%
reviews = ["房间干净，早餐好", "早餐太差", "房间太小，早餐也差"]
counter = CountVectorizer(tokenizer=jieba.lcut, token_pattern=None)
counts = counter.fit_transform(reviews).toarray()
show(matrix(counts, reviews, list(counter.get_feature_names_out()), "词袋：每行一条评论，每列一个词"))

# %% [markdown]
# 词袋丢掉了顺序：“不贵，好吃”和“贵，不好吃”几乎是同一个向量。用**二元、三元组**可以找回一点：“不贵”是一个特征，“不好”是另一个。

# %%
pair = ["不贵，好吃", "贵，不好吃"]
for size, name in ((1, "单字"), (2, "二元")):
    vectors = CountVectorizer(analyzer="char", ngram_range=(size, size)).fit_transform(pair).toarray()
    print(f"{name}：两句话{'完全一样' if (vectors[0] == vectors[1]).all() else '不同'}")

# %% [markdown]
# ## 2 TF-IDF：常见的词不值钱
#
# “的”到处都有，说明不了什么；“退款”很少见，一出现就很说明问题。IDF（逆文档频率）给词一个权重：
#
# $$\mathrm{idf}(t) = \ln\frac{1 + n}{1 + \mathrm{df}(t)} + 1$$
#
# n 是文档数，df 是含有这个词的文档数。先手算一个，再和 scikit-learn 对一下。

# %%
train, dev, test = (samples("sentiment", split) for split in ("train", "dev", "test"))
n_documents = len(train)
weights = {
    character: np.log((1 + n_documents) / (1 + train["text"].str.contains(character, regex=False).sum())) + 1
    for character in "的了好差退赞"
}
vectorizer = TfidfVectorizer(analyzer="char").fit(train["text"])
for character, weight in weights.items():
    assert np.isclose(weight, vectorizer.idf_[vectorizer.vocabulary_[character]])
show(bars(list(weights), {"idf": list(weights.values())}, form=".2f", kind="word"))

# %% [markdown]
# ## 3 线性分类器：看得懂的模型
#
# 每个特征一个权重，加起来大于 0 就是好评。训练完可以直接看权重：模型认为哪些片段最好、最差。

# %%
vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=3, sublinear_tf=True)
features = vectorizer.fit_transform(train["text"])
classifier = LinearSVC(C=0.5, random_state=0).fit(features, train["label"])
accuracy = classifier.score(vectorizer.transform(test["text"]), test["label"])
print(f"{features.shape[1]} 个特征，测试集正确率 {accuracy:.4f}")

# %%
names = vectorizer.get_feature_names_out()
order = [one for one in np.argsort(classifier.coef_[0]) if len(names[one]) > 1]  # 二元组和三元组更好懂
best, worst = order[:-11:-1], order[:10]
chosen = [*best, *worst]
show(bars([f"“{names[one]}”" for one in chosen], {"权重": classifier.coef_[0][chosen]}, form=".2f", kind="word"))
assert classifier.coef_[0][best].min() > 0 > classifier.coef_[0][worst].max()

# %% [markdown]
# 它错在哪里？多半是**顺序和否定**：词都是褒义词，整句却是批评。这正是后面神经网络的机会。

# %%
predicted = classifier.predict(vectorizer.transform(test["text"]))
test.assign(预测=predicted)[predicted != test["label"]][["label", "预测", "text"]].head(5)

# %% [markdown]
# ## 4 `baseline`：同样的事，一行
#
# `baseline` 用任何一个配置的数据做同样的基线，写出同样的 `result.json`，以后训练的成绩会自动与它并列。命令行：`paddle-tasks baseline configs/sentiment.yaml`。

# %%
run = baseline(config("sentiment"), run_dir="runs/01-baseline")
run

# %% [markdown]
# 手写的与工具的差多少？

# %%
found = run.result["test"]["accuracy"]
pd.Series({"手写": accuracy, "baseline": found}).round(4)

# %%
assert abs(found - accuracy) < 0.05

# %% [markdown]
# ## 练习
#
# **01-1** 写出 `idf(documents, word)`：`documents` 是分好词的文档（词的列表的列表），按上面的公式返回 `word` 的 IDF。一篇文档里出现几次都只算一次。


# %% tags=["exercise"]
def idf(documents, word):
    return ...


check("01-1", idf)

# %% [markdown]
# 答案在 [solutions/01_文本表示与统计基线.py](solutions/01_文本表示与统计基线.py)。
#
# **探索**
#
# 1. `ngram_range` 换成 (1, 1) 和 (1, 5)，特征多了几倍，正确率变了多少？
# 2. 用 jieba 的词代替字的 n-gram，更好还是更差？分词错误会怎样影响结果？
# 3. 只用 100 条训练样本呢？在什么数量上，基线会输给 05 篇的 BERT？
#
# ## 在 AI Studio 上
#
# 基线不需要 GPU，在完整数据上也只要几秒到几分钟（`$C` 是 ChnSentiCorp 的文件夹）：
#
# ```bash
# paddle-tasks baseline configs/sentiment.yaml data.train=$C/train.tsv data.dev=$C/dev.tsv data.test=$C/test.tsv
# paddle-tasks train configs/sentiment.yaml data.train=$C/train.tsv data.dev=$C/dev.tsv data.test=$C/test.tsv
# ```
#
# 完整的配置：

# %%
print(config("sentiment").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - Salton 与 Buckley，[Term-Weighting Approaches in Automatic Text Retrieval](https://doi.org/10.1016/0306-4573%2888%2990021-0)
# - Wang 与 Manning，[Baselines and Bigrams](https://aclanthology.org/P12-2018/)：简单的基线有多强
# - [scikit-learn 的文本特征](https://scikit-learn.org/stable/modules/feature_extraction.html#text-feature-extraction)
