# %% [markdown]
# # 02 词向量与负采样
#
# **目标**：训练 skip-gram 词向量；弄清负采样省下了什么，负样本怎样抽；看看静态的词向量与上下文相关的向量有什么不同（一词多义）。
#
# **用到的**：`train`（任务 word2vec）、`load`；`inspect --word` 背后的函数。

# %%
from course import check, config, lines, samples, scatter, show
from paddle_tasks import load, train
from paddle_tasks.figures.matrices import matrix
from paddle_tasks.text.word_vectors import learn_vectors
from paddle_tasks.workflows.word_in_texts import word_in_texts

from collections import Counter
import jieba
import numpy as np
import paddle
from paddle.nn import functional as F

jieba.setLogLevel("WARNING")

# %% [markdown]
# ## 1 物以类聚：由上下文认识一个词
#
# skip-gram 的训练样本是（中心词，上下文词）。窗口为 2 时，一句话产生这些：

# %%
words = jieba.lcut("房间干净早餐太差")
pairs = [(words[i], words[j]) for i in range(len(words)) for j in range(len(words)) if 0 < abs(i - j) <= 2]
print(words)
print(pairs)

# %% [markdown]
# ## 2 负采样解决什么问题
#
# 用 softmax 预测上下文词，每一对词都要与**整个词表**的向量做点积，并更新所有向量。负采样换一个问题：这个词是真的邻居，还是随机抽来的？一对词只更新 1 个正样本和几个负样本。数一数有多少行的梯度不是 0：


# %%
def changed_rows(words, loss):
    table = paddle.nn.Embedding(8000, 100).weight
    loss(paddle.randn([1, 100]) @ table[paddle.to_tensor(words)].T).backward()
    return int((table.grad.abs().sum(axis=1) > 0).sum())


is_true = paddle.to_tensor([[1.0, 0, 0, 0, 0, 0]])  # 1 个真邻居，5 个负样本
rows = {
    "softmax": changed_rows(list(range(8000)), lambda scores: F.cross_entropy(scores, paddle.to_tensor([7]))),
    "负采样": changed_rows(
        [7, 12, 950, 3011, 4444, 7999], lambda scores: F.binary_cross_entropy_with_logits(scores, is_true)
    ),
}
print(rows)
assert rows == {"softmax": 8000, "负采样": 6}

# %% [markdown]
# ## 3 负样本怎么抽
#
# 按词频抽，常见词太多；平均抽，罕见词太多。word2vec 取词频的 **0.75 次幂**，折中。下图是样例评论里最常见的词被抽中的概率。

# %%
cut = Counter(word for text in samples("sentiment")["text"].head(800) for word in jieba.cut(text) if word.isalnum())
frequency = np.array([count for _, count in cut.most_common()], float)
curves = {f"{power} 次幂": frequency**power / (frequency**power).sum() for power in (1.0, 0.75, 0.0)}
ranks = range(1, 41)
show(lines(ranks, {name: probs[:40] for name, probs in curves.items()}, "负样本的概率", ("词频名次", "概率")))
assert curves["1.0 次幂"][0] > curves["0.75 次幂"][0] > curves["0.0 次幂"][0]

# %% [markdown]
# ## 4 训练 skip-gram
#
# `configs/quick/word2vec.yaml` 在样例评论上训练 50 维的 skip-gram。语料只有样例评论，而像样的词向量要大得多的语料——先看流程，别期望太高：类比题的分数会是 0，近邻也看不出道理。

# %%
run = train(config("quick/word2vec"), run_dir="runs/02-word2vec", logging={"detail": "light"})
run

# %%
vectors = load(run.folder)
for word in ("房间", "电池", "便宜"):
    print(word, "→", "、".join(near["word"] for near in vectors(word, top_k=6)["neighbours"]))

# %% [markdown]
# 语料少的时候，**数数**更好：统计每两个词在窗口内一起出现多少次，算出正的点互信息（PPMI），再用奇异值分解降维。可以证明，负采样的 skip-gram 隐含地在分解同一个矩阵，只是用梯度下降一点一点地做。

# %%
lines_of_words = [[word for word in jieba.cut(text) if word.isalnum()] for text in samples("sentiment")["text"]]
counts = Counter(word for line in lines_of_words for word in line)
names = [word for word, count in counts.most_common() if count > 3]
place = {name: number for number, name in enumerate(names)}
numbers = np.array([place.get(word, -1) for line in lines_of_words for word in line])
line_of = np.repeat(np.arange(len(lines_of_words)), [len(line) for line in lines_of_words])
table = learn_vectors(numbers, line_of, len(names), size=50)


def nearest(word, top_k=6):
    order = np.argsort(-(table @ table[place[word]]))
    return [names[number] for number in order[1 : top_k + 1]]


for word in ("房间", "电池", "便宜"):
    print(word, "→", "、".join(nearest(word)))

# %% [markdown]
# 用主成分分析（PCA）压到二维画出来，同一类的词用同一种颜色：

# %%
GROUPS = ["房间 酒店 早餐 前台", "电池 手机 屏幕 拍照", "好吃 味道 外卖 新鲜", "衣服 面料 颜色 裤子"]
chosen = [(word, group) for group, line in enumerate(GROUPS) for word in line.split() if word in place]
centred = table[[place[word] for word, _ in chosen]]
centred = centred - centred.mean(axis=0)
_, _, axes = np.linalg.svd(centred, full_matrices=False)
show(
    scatter(centred @ axes[:2].T, [word for word, _ in chosen], [group for _, group in chosen], "词向量的前两个主成分")
)

# %% [markdown]
# ## 5 静态与上下文
#
# word2vec 给每个词**一个**向量。“开车”的“开”和“花开了”的“开”只能共用。BERT、ERNIE 的向量由整句话算出来，同一个字在不同的句子里不同，意思相近时更接近：

# %%
texts = ["他开车去上班。", "我不会开车。", "公园里的花开了。", "春天桃花开得很好看。"]
found = word_in_texts("builtin/ernie-mini-zh", "开", texts)
show(matrix(found.cosines, texts, texts, "“开”在四句话里的余弦相似度"))
same = (found.cosines[0, 1] + found.cosines[2, 3]) / 2
assert same > found.cosines[:2, 2:].mean() + 0.2

# %% [markdown]
# 命令行：`paddle-tasks inspect builtin/ernie-mini-zh --word 开 --texts FILE`。
#
# ## 练习
#
# **02-1** 写出 `noise(counts, power)`：`counts` 是词频的 numpy 数组，返回抽负样本的概率（与 `counts` 一样长）。


# %% tags=["exercise"]
def noise(counts, power):
    return ...


check("02-1", noise)

# %% [markdown]
# 答案在 [solutions/02_词向量与负采样.py](solutions/02_词向量与负采样.py)。
#
# **探索**
#
# 1. `model={"architecture": "cbow"}` 与 skip-gram 找到的近邻有什么不同？
# 2. `model={"loss": "full_softmax"}` 再训练一次，比较 `result.json` 里的 `tokens_per_second`。
# 3. 窗口 1 与窗口 10，近邻更偏语法还是更偏话题？
# 4. 用 `model.word_vectors` 把向量交给 03 的 LSTM 或 TextCNN，正确率变了吗？
#
# ## 在 AI Studio 上训练完整的模型
#
# 语料放在 `corpora`，用 CA8 的类比题打分：
#
# ```bash
# paddle-tasks train configs/word2vec.yaml data.folder=corpora
# paddle-tasks predict runs/word2vec 北京 高兴 --top-k 5
# paddle-tasks predict runs/word2vec --analogy 中国 北京 日本
# ```
#
# 完整的配置：

# %%
print(config("word2vec").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - Mikolov 等，[Distributed Representations of Words and Phrases and their Compositionality](https://arxiv.org/abs/1310.4546)：负采样
# - Levy、Goldberg 与 Dagan，[Improving Distributional Similarity with Lessons Learned from Word Embeddings](https://aclanthology.org/Q15-1016)：数数与 skip-gram 的关系
# - Goldberg 与 Levy，[word2vec Explained](https://arxiv.org/abs/1402.3722)
# - Li 等，[Analogical Reasoning on Chinese Morphological and Semantic Relations](https://arxiv.org/abs/1805.06504)：CA8
# - 本项目的[词向量](../docs/zh/word2vec.md)
