# %% [markdown]
# # 04 Transformer 新闻分类
#
# **目标**：完成 Task07 的作业——用一层、再用六层 Transformer 编码器给新闻标题分类，弄清它的每个零件：注意力为什么除以 √d、层归一化和前馈网络做什么、位置编码要不要训练、dropout 与权重衰减怎样对付过拟合。
#
# **用到的**：`paddle.nn.TransformerEncoder`；`paddle_tasks.train`、`baseline`、`params`、`inspect`。

# %%
from course import check, config, lines, samples, show, stored_result
from paddle_tasks import baseline, inspect, load, params, train
from paddle_tasks.cli.params import report_lines
from paddle_tasks.figures.learning import comparison
from paddle_tasks.figures.matrices import matrix
from paddle_tasks.figures.scores import bars
from paddle_tasks.files import read_json_lines

import numpy as np
import paddle
from paddle.nn import functional as F

# %% [markdown]
# ## 1 注意力：带权重的查表
#
# 每个词元拿自己的**查询**（query）去和所有词元的**键**（key）做点积，softmax 变成权重，再按权重把**值**（value）加起来。整件事只有三行。


# %%
def attention(query, key, value):
    scores = query @ key.T / np.sqrt(query.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights @ value, weights


random = np.random.default_rng(0)
query, key, value = random.standard_normal((3, 6, 16)).astype("float32")
result, weights = attention(query, key, value)
expected = F.scaled_dot_product_attention(*(paddle.to_tensor(part[None, :, None]) for part in (query, key, value)))
assert np.allclose(result, expected[0, :, 0].numpy(), atol=1e-5)
names = [f"词元 {number}" for number in range(1, 7)]
show(matrix(weights, names, names, "注意力权重：每行之和为 1"))

# %% [markdown]
# ## 2 为什么除以 √d
#
# 两个 d 维向量，每个数的方差为 1，点积是 d 项之和，方差就是 d，标准差是 √d。先看数字，再看图。

# %%
sizes = [1, 4, 16, 64, 256, 1024]
products = {size: (random.standard_normal((2, 5000, size)).prod(axis=0)).sum(axis=1) for size in sizes}
raw, scaled = [products[size].std() for size in sizes], [products[size].std() / np.sqrt(size) for size in sizes]
for size, before, after in zip(sizes, raw, scaled, strict=True):
    print(f"d = {size:4d}：标准差 {before:6.2f}，除以 √d 之后 {after:.2f}")
show(lines(sizes, {"不除": raw, "除以 √d": scaled, "√d": np.sqrt(sizes)}, "点积的标准差", ("d", "标准差")))
assert np.allclose(scaled, 1, atol=0.05)

# %% [markdown]
# 分数太大有什么坏处？softmax 会变成“只选一个”：最大的权重接近 1，其余接近 0，梯度 $p(1-p)$ 也就接近 0，学不动了。


# %%
def mean_of_largest(size, scale):
    query, key = random.standard_normal((2, 200, 10, size))
    scores = np.einsum("bqd,bkd->bqk", query, key) / scale
    return float(F.softmax(paddle.to_tensor(scores), axis=-1).numpy().max(axis=-1).mean())


largest = {"不除": [mean_of_largest(d, 1) for d in sizes], "除以 √d": [mean_of_largest(d, np.sqrt(d)) for d in sizes]}
gradients = {name: [p * (1 - p) for p in values] for name, values in largest.items()}
show(lines(sizes, largest, "10 个键中最大的权重", ("d", "权重")))
show(lines(sizes, gradients, "softmax 的梯度 p(1 − p)", ("d", "梯度")))
assert gradients["不除"][-1] < 0.2 * gradients["除以 √d"][-1]

# %% [markdown]
# ## 3 编码器的一层
#
# ```
# x ── 多头注意力 ── + ── 层归一化 ── 前馈网络 ── + ── 层归一化 ──▶
# └──────────────────┘              └─────────────┘      （两处残差连接）
# ```
#
# - **前馈网络**对每个位置单独计算：`Linear(d, 内宽) → ReLU → Linear(内宽, d)`。注意力负责在位置之间搬运信息，前馈网络负责加工。
# - **层归一化**让每个位置的向量均值为 0、方差为 1（再乘可学的 γ、加可学的 β），六层叠起来数值才不会越滚越大。

# %%
paddle.seed(0)
layer = paddle.nn.TransformerEncoderLayer(64, nhead=4, dim_feedforward=128, dropout=0.0)
states = layer(paddle.randn([1, 6, 64]) * 10 + 3)
print("每个位置的均值", states.mean(axis=-1).numpy().round(3)[0])
print("每个位置的标准差", states.numpy().std(axis=-1).round(3)[0])
for name, part in layer.named_children():
    print(f"{name:10s} {sum(parameter.size for parameter in part.parameters()):6d} 个参数")

# %% [markdown]
# ## 4 位置编码：训练与不训练
#
# 注意力本身**不知道顺序**：把词元打乱，每个词元的输出不变，只是跟着换了位置。

# %%
order = [3, 1, 5, 0, 2, 4]
shuffled, _ = attention(query[order], key[order], value[order])
assert np.allclose(shuffled, result[order], atol=1e-6)
print("打乱顺序之后，各个词元的输出没有变")

# %% [markdown]
# 所以要把位置加到词向量上。原论文用**不训练**的正弦和余弦，不同的列是不同的频率；BERT 用**训练**的表，每个位置一行。

# %%
found = inspect("transformer", "今天天气真好，我们去公园散步吧")
table = found["positions"]
columns = [str(column) for column in range(0, 80, 2)]
show(matrix(table[:, 0:80:2], found.tokens, columns, "正弦位置编码：每行一个位置，每列一个频率", numbers=False))
assert np.allclose(table[1, :2], [np.sin(1), np.cos(1)], atol=1e-6)

# %% [markdown]
# ## 5 训练：一层、六层
#
# 样例很少，六层的网络很容易把它们背下来——正好用来看过拟合。配置从 `configs/news-transformer.yaml`（作业的六层网络）缩小：宽 64，几十步。


# %%
def fit(name, decay=0.05, **sizes):
    model = {"hidden_size": 64, "intermediate_size": 128, "n_layers": 6, "dropout": 0.1, **sizes}
    optimizer = {"learning_rate": 3e-3, "weight_decay": decay}
    return train(config("news-transformer"), model=model, optimizer=optimizer, run_dir=f"runs/04-{name}", **SHORT)


SHORT = {"training": {"epochs": 10, "batch_size": 120}, "data": {"test": None}, "logging": {"detail": "light"}}
samples("news").sample(4, random_state=1)

# %%
runs = {
    "一层": fit("one", n_layers=1),
    "六层": fit("six"),
    "六层，dropout 0.4": fit("regular", decay=0.3, dropout=0.4),
    "六层，正弦位置": fit("sines", positions="sinusoidal"),
}
tfidf = baseline(config("news-transformer"), data={"test": None}, run_dir="runs/04-baseline")
accuracy = {name: run.result["dev"]["accuracy"] for name, run in {**runs, "TF-IDF": tfidf}.items()}
show(bars(list(accuracy), {"验证集正确率": list(accuracy.values())}))

# %% [markdown]
# 看曲线：训练损失（左）一直下降，验证损失（中）却停住甚至回升，就是过拟合。加大 dropout 和权重衰减之后，两者靠近了，代价是同样的步数里学得更慢。

# %%
show(comparison({name: read_json_lines(run.folder / "metrics.jsonl") for name, run in runs.items()}))

# %% [markdown]
# 只有这么少的标题，从零训练的网络远不如词频统计（TF-IDF），层数多了也没有用。Transformer 要么需要**更多的数据**，要么需要**预训练**。附带的新闻模型两样都有：它的成绩读自随模型保存的 `result.json`。

# %%
stored = stored_result("news")
print(f"训练数据 {stored['data']['train']['rows']:,} 行，测试集正确率 {stored['test']['accuracy']:.4f}")
load("builtin/news")(["北京房价连续三月上涨", "国足主场战平"], top_k=2)

# %% [markdown]
# ## 练习
#
# **04-1** 写出 `n_parameters(width, inner)`：编码器**一层**有多少个可学参数？注意力有四个带偏置的线性层（查询、键、值、输出），前馈网络有两个，层归一化有两个。


# %% tags=["exercise"]
def n_parameters(width, inner):
    return ...


check("04-1", n_parameters)

# %% [markdown]
# 答案在 [solutions/04_Transformer新闻分类.py](solutions/04_Transformer新闻分类.py)。用 `params` 核对六层编码器：

# %%
print("\n".join(report_lines(params("transformer", hidden=64, inner=128, heads=4, layers=6))))

# %% [markdown]
# **探索**
#
# 1. 宽度不变，头数取 1、4、16，结果差多少？参数量变了吗？
# 2. 只留 dropout 或只留权重衰减，哪个更能缩小训练损失与验证损失的差距？
# 3. 每个配置换三个种子（`sweep`），“六层比一层好”还成立吗？
# 4. 标题最长多少字？位置编码只训练到 48，预测更长的标题会怎样？
#
# ## 在 AI Studio 上训练完整的模型
#
# THUCNews 标题的三个文件放在 `$N`：
#
# ```bash
# paddle-tasks train configs/news-transformer.yaml data.train=$N/train.txt data.dev=$N/dev.txt data.test=$N/test.txt data.label_names=$N/class.txt
# paddle-tasks train configs/news.yaml data.train=$N/train.txt data.dev=$N/dev.txt data.test=$N/test.txt data.label_names=$N/class.txt
# paddle-tasks baseline configs/news.yaml data.train=$N/train.txt data.dev=$N/dev.txt data.test=$N/test.txt data.label_names=$N/class.txt
# ```
#
# 完整的配置：

# %%
print(config("news-transformer").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - Vaswani 等，[Attention Is All You Need](https://arxiv.org/abs/1706.03762)
# - [The Annotated Transformer](https://nlp.seas.harvard.edu/annotated-transformer/)：逐行讲解
# - Xiong 等，[On Layer Normalization in the Transformer Architecture](https://arxiv.org/abs/2002.04745)：归一化放在前面还是后面
# - 本项目的[新闻分类](../docs/zh/news.md)与[编码器](../docs/zh/encoders.md)
