# %% [markdown]
# # 12 客观题
#
# **目标**：课程的十道客观题，每题先给出简短的答案，再用几行代码**算给你看**。讲义的说法与计算不一致的地方，也由代码来说明——讲义写错并不奇怪，重要的是自己会核对。
#
# **用到的**：`params`、`inspect`、`load`；Paddle 的基本运算。

# %%
from course import check, config, lines, show
from paddle_tasks import inspect, load, params
from paddle_tasks.cli.params import report_lines
from paddle_tasks.figures.matrices import matrix
from paddle_tasks.figures.scores import bars

import numpy as np
import paddle
import paddlenlp.data
from paddle import nn
from paddle.nn import functional as F
from paddlenlp.datasets import MapDataset

# %% [markdown]
# ## 1 负采样解决了 word2vec 的什么问题？
#
# **输出层的计算量。** softmax 要与词表里每个词的向量相乘，并更新所有向量；负采样只涉及一个正样本和几个负样本。下面数有多少个词向量的梯度不是 0。


# %%
def changed_rows(words, loss):
    table = nn.Embedding(8000, 100).weight
    loss(paddle.randn([1, 100]) @ table[paddle.to_tensor(words)].T).backward()
    return int((table.grad.abs().sum(axis=1) > 0).sum())


is_true = paddle.to_tensor([[1.0, 0, 0, 0, 0, 0]])
drawn = [7, 12, 950, 3011, 4444, 7999]
softmax = changed_rows(list(range(8000)), lambda scores: F.cross_entropy(scores, paddle.to_tensor([7])))
sampled = changed_rows(drawn, lambda scores: F.binary_cross_entropy_with_logits(scores, is_true))
print(f"softmax 更新 {softmax} 个词向量，负采样更新 {sampled} 个")
assert (softmax, sampled) == (8000, 6)

# %% [markdown]
# ## 2 单层 RNN 有多少可学的参数？
#
# **(I + H) × H 个权重，再加偏置。** 讲义的答案是 (I + H)·H + H，只数了一个偏置向量；Paddle（和 cuDNN）有两个，输入和状态各一个。

# %%
print("\n".join(report_lines(params("rnn", inputs=300, hidden=128))))

# %% [markdown]
# 讲义的推导还把权重乘了 n − 1（n 是文本长度）。各步**共用**同一组权重，参数量与长度无关：

# %%
counts = [params("rnn", inputs=300, hidden=128, length=length).measured for length in (10, 500)]
print("长度 10 与 500：", counts)
assert counts[0] == counts[1] == (300 + 128) * 128 + 2 * 128

# %% [markdown]
# ## 3 LSTM 的遗忘门起什么作用？
#
# **决定旧的细胞状态保留多少。** 它是 sigmoid 的输出，在 0 与 1 之间，直接乘到旧状态上。讲义说“减去 1 之后”，其实什么都不减——照公式算一步，和 Paddle 的结果相同：

# %%
paddle.seed(0)
lstm = nn.LSTM(4, 3)
x, h, c = paddle.randn([1, 4]), paddle.randn([1, 3]), paddle.randn([1, 3])
_, (_, new_cell) = lstm(x.unsqueeze(1), (h.unsqueeze(0), c.unsqueeze(0)))
gates = x @ lstm.weight_ih_l0.T + lstm.bias_ih_l0 + h @ lstm.weight_hh_l0.T + lstm.bias_hh_l0
enter, forget, candidate, _ = paddle.split(gates, 4, axis=1)
forget = F.sigmoid(forget)
by_hand = forget * c + F.sigmoid(enter) * paddle.tanh(candidate)
print("遗忘门", forget.numpy().round(3), "手算与 Paddle 之差", float((by_hand - new_cell[0]).abs().max()) < 1e-6)
assert np.allclose(by_hand.numpy(), new_cell[0].numpy(), atol=1e-6)

# %% [markdown]
# ## 4 Transformer 的编码器和解码器有何不同？
#
# **解码器每层多一次交叉注意力（看原文），自己的注意力被遮住后面的位置。** 多出来的参数正好是一个注意力和一个层归一化：

# %%
encoder, decoder = params("transformer").parts.parts
print("编码器", encoder.count, "解码器", decoder.count, "相差", decoder.count - encoder.count)
assert decoder.count - encoder.count == 6 * (4 * (512 * 512 + 512) + 2 * 512)
found = inspect("builtin/novel", "话说宝玉听了")
weights = found["attentions"][-1].mean(axis=0)
show(matrix(weights, found.tokens, found.tokens, "解码器的注意力：右上角全是 0"))
assert np.triu(weights, 1).max() < 1e-6

# %% [markdown]
# ## 5 注意力为什么除以 √D？
#
# **两个 D 维向量的点积，方差是 D。** 不除的话，分数随 D 变大，softmax 只选一个键，梯度消失。

# %%
sizes = [4, 16, 64, 256]
queries, keys = np.random.default_rng(0).standard_normal((2, 10000, 256))
deviations = [float((queries[:, :size] * keys[:, :size]).sum(axis=1).std()) for size in sizes]
divided = [deviation / np.sqrt(size) for deviation, size in zip(deviations, sizes, strict=True)]
show(lines(sizes, {"不除": deviations, "除以 √D": divided}, "点积的标准差", ("D", "标准差")))
assert np.allclose(divided, 1, atol=0.05)

# %% [markdown]
# ## 6 位置编码参与训练吗？
#
# **Transformer 的不训练，是正弦和余弦；BERT 的要训练，是一张 512 行的表。** 讲义说 BERT 也用正弦余弦、对每个长度重新计算。下面看两句长短不同的话：如果重新计算，同一位置的编码会不同；实际上**逐位相同**，因为它们取自同一张表。

# %%
sines = inspect("transformer", "今天天气真好")["positions"]
assert np.allclose(sines[1, :2], [np.sin(1), np.cos(1)], atol=1e-6)
short, long = (inspect("builtin/bert-mini-zh", text)["positions"] for text in ("好", "今天天气真好"))
print("BERT：两句话的前三个位置相同吗？", bool((short == long[: len(short)]).all()))
assert not np.allclose(long[1, :2], [np.sin(1), np.cos(1)], atol=1e-2)

# %% [markdown]
# 顺便核对讲义的参数量：那里按**英文** BERT 的 30,522 个词条算出约 1.1 亿；`bert-base-chinese` 的词表小一些，实际是：

# %%
base = params("bert-base-chinese")
print(f"{base.measured:,}")
print("\n".join(line for line in report_lines(base) if "30,522" in line))
assert base.measured == 102_267_648

# %% [markdown]
# ## 7 RNN 有哪些变体？
#
# **GRU（权重是 RNN 的 3 倍）、LSTM（4 倍），多层、双向、加注意力，以及编码器—解码器。**

# %%
kinds = {kind: params(kind, inputs=300, hidden=128).measured for kind in ("rnn", "gru", "lstm")}
kinds["两层双向 LSTM"] = params("lstm", inputs=300, hidden=128, layers=2, bidirectional=True).measured
show(bars(list(kinds), {"参数量": list(kinds.values())}, form=",.0f"))
assert kinds["gru"] == 3 * kinds["rnn"]
assert kinds["lstm"] == 4 * kinds["rnn"]

# %% [markdown]
# ## 8 BERT 用哪些任务预训练？
#
# **两个：掩码语言模型（MLM）和下一句预测（NSP）**，各有一个输出头。

# %%
_, heads = params("builtin/bert-mini-zh").parts.parts
print([head.name for head in heads.parts])
assert len(heads.parts) == 2

# %% [markdown]
# ## 9 BERT 对句对的嵌入由哪些部分组成？
#
# **三部分相加再归一化：词、位置、句段。** 句段区分两个句子。

# %%
pair = inspect("builtin/bert-mini-zh", "天气好", "真好")
print("词元", " ".join(pair.tokens))
print("句段", pair.steps.token_type_ids)
for one in pair.checks:
    print(f"{one.sentence}：相差 {one.difference:.0e}")
total = pair["words"] + pair["positions"] + pair["segments"]
show(matrix(np.corrcoef(total), pair.tokens, pair.tokens, "三部分之和：词元之间的相关系数", numbers=False))

# %% [markdown]
# ## 10 怎样调用 PaddleNLP 的 BERT 做中文句子级情感分析？
#
# 从零写起见 [05](05_BERT与ERNIE情感分类.ipynb)；在本项目里是 `model.encoder=bert-base-chinese`；附带的模型直接可用：

# %%
answer = load("builtin/sentiment")("房间干净，就是早餐太差了")
print(answer["label"])

# %% [markdown]
# 讲义的示例代码不能运行：它从 `paddlenlp.data` 导入 `Sampler` 和 `DataLoader`（它们在 `paddle.io` 里），还对 `MapDataset` 调用 `shuffle`。

# %%
for owner, name in (
    (paddlenlp.data, "Sampler"),
    (paddlenlp.data, "DataLoader"),
    (paddle.io, "DataLoader"),
    (MapDataset, "shuffle"),
):
    print(f"{owner.__name__}.{name}：{'有' if hasattr(owner, name) else '没有'}")
assert not hasattr(MapDataset, "shuffle")

# %% [markdown]
# ## 练习
#
# **12-1** 写出 `rnn_parameters(inputs, hidden, layers)`：Paddle 的 `nn.SimpleRNN` 有 `layers` 层（单向）时的参数总数。第二层起，输入就是下一层的状态。


# %% tags=["exercise"]
def rnn_parameters(inputs, hidden, layers):
    return ...


check("12-1", rnn_parameters)

# %% [markdown]
# 答案在 [solutions/12_客观题.py](solutions/12_客观题.py)。
#
# **探索**
#
# 1. 第 2 题的答案乘以 4，就是 LSTM 的吗？用 `params("lstm")` 核对。
# 2. `paddle-tasks params bert-base-chinese` 里，哪一部分的参数最多？
# 3. 第 5 题换成均匀分布的向量，标准差还是 √D 倍吗？
# 4. 再找一处你怀疑的说法，写三行代码验证它。
#
# ## 在 AI Studio 上
#
# 这些计算不需要 GPU。第 10 题的完整训练：
#
# ```bash
# paddle-tasks train configs/sentiment.yaml model.encoder=bert-base-chinese model.pooling=cls optimizer.learning_rate=3e-5 training.epochs=3 training.precision=float16 run_dir=runs/bert
# ```
#
# 完整的配置：

# %%
print(config("sentiment").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - 本项目的[课程的客观题](../docs/zh/objective-questions.md)：同样的十题，用命令行回答
# - Vaswani 等，[Attention Is All You Need](https://arxiv.org/abs/1706.03762)；Devlin 等，[BERT](https://arxiv.org/abs/1810.04805)
# - Mikolov 等，[Distributed Representations of Words and Phrases](https://arxiv.org/abs/1310.4546)
