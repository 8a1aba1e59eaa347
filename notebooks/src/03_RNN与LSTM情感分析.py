# %% [markdown]
# # 03 RNN/LSTM 情感分析
#
# **目标**：完成 Task07 前半的作业——自己写批次迭代器，用 RNN、LSTM 给英文影评（IMDb 的格式）分类；看懂循环网络怎样一步一步读句子，为什么普通 RNN 记不住，LSTM 的门做了什么。
#
# **用到的**：`paddle.nn.SimpleRNN`、`LSTM`；`paddle_tasks.train`、`baseline`、`params`、`inspect`。

# %%
from course import check, config, lines, samples, show
from paddle_tasks import baseline, inspect, params, train
from paddle_tasks.figures.scores import bars

import numpy as np
import paddle
from paddle import nn

# %% [markdown]
# ## 1 一步一步地读
#
# 循环网络只有一组权重，每读一个词用一次：$h_t = \tanh(W x_t + U h_{t-1} + b)$。下面用 numpy 走一遍，和 Paddle 的结果一样。Paddle 有两个偏置向量（输入一个、状态一个），讲义只写了一个，数学上等价。

# %%
paddle.seed(1)
rnn = nn.SimpleRNN(4, 3)
inputs = paddle.randn([1, 5, 4])
outputs, last = rnn(inputs)
W, U, b_x, b_h = (parameter.numpy() for parameter in rnn.parameters())
state = np.zeros(3, "float32")
for x in inputs.numpy()[0]:
    state = np.tanh(W @ x + b_x + U @ state + b_h)
assert np.allclose(state, last.numpy()[0, 0], atol=1e-6)
print("最后的状态", state.round(4))

# %% [markdown]
# 同一组权重用了 5 次，参数却不会变成 5 倍。参数量与句子长度**无关**：

# %%
sizes = {kind: params(kind, inputs=300, hidden=128).measured for kind in ("rnn", "gru", "lstm")}
show(bars(list(sizes), {"参数量": list(sizes.values())}, form=",.0f"))
assert params("rnn", inputs=300, hidden=128, length=500).measured == sizes["rnn"]

# %% [markdown]
# ## 2 梯度走多远
#
# 训练时，误差要从最后一个词一路传回第一个词，每走一步乘一次 $U$ 和 tanh 的导数。乘的多了，梯度就没了——普通 RNN 因此学不会长距离的依赖。LSTM 的细胞状态用**加法**更新（$c_t = f_t c_{t-1} + i_t g_t$），遗忘门接近 1 时，梯度几乎原样通过。
#
# 下图：句末的状态对每个位置的输入的梯度。LSTM 的遗忘门偏置设为 3（sigmoid(3) ≈ 0.95），让它先学会记住。


# %%
def gradient_by_position(network, length=60):
    inputs = paddle.randn([8, length, 16])
    inputs.stop_gradient = False
    network(inputs)[0][:, -1].sum().backward()
    return np.log10(inputs.grad.norm(axis=-1).mean(axis=0).numpy() + 1e-12)


paddle.seed(0)
lstm = nn.LSTM(16, 32)
bias = lstm.bias_ih_l0.numpy()
bias[32:64] = 3.0  # 四个门依次是输入、遗忘、候选、输出
lstm.bias_ih_l0.set_value(bias)
gradients = {"RNN": gradient_by_position(nn.SimpleRNN(16, 32)), "LSTM": gradient_by_position(lstm)}
show(lines(range(60), gradients, "句末的状态对每个输入的梯度", ("位置（59 是最后一个词）", "以 10 为底的对数")))
assert gradients["LSTM"][0] > gradients["RNN"][0] + 1

# %% [markdown]
# ### 遗忘门
#
# 遗忘门是 sigmoid 的输出，在 0 与 1 之间，直接乘到旧的细胞状态上：0 是全忘，1 是全留。讲义说“减去 1 之后”再用，其实什么都不用减；下一格照公式算一步，与 Paddle 的 LSTM 完全一致。

# %%
cell = nn.LSTM(4, 3)
x, h, c = paddle.randn([1, 4]), paddle.randn([1, 3]), paddle.randn([1, 3])
_, (_, new_cell) = cell(x.unsqueeze(1), (h.unsqueeze(0), c.unsqueeze(0)))
gates = x @ cell.weight_ih_l0.T + cell.bias_ih_l0 + h @ cell.weight_hh_l0.T + cell.bias_hh_l0
enter, forget, candidate, _ = paddle.split(gates, 4, axis=1)
forget, enter = nn.functional.sigmoid(forget), nn.functional.sigmoid(enter)
print("遗忘门", forget.numpy().round(3))
assert np.allclose((forget * c + enter * paddle.tanh(candidate)).numpy(), new_cell[0].numpy(), atol=1e-6)

# %% [markdown]
# ## 3 数据与批次迭代器
#
# 附带的英文影评与 IMDb 的格式相同。先把词变成编号；一个批次里长短不一，用 0 补齐。

# %%
reviews = samples("sentiment_english")
words = sorted({word for text in reviews["text"] for word in text.lower().split()})
number_of = {word: number for number, word in enumerate(words, start=1)}  # 0 留给补齐
rows = [[number_of[word] for word in text.lower().split()][:60] for text in reviews["text"]]
labels = (reviews["label"] == "positive").astype("float32").to_numpy()
print(len(rows), "条影评，", len(words), "个词")


# %%
def padded(batch):
    longest = max(map(len, batch))
    return paddle.to_tensor([row + [0] * (longest - len(row)) for row in batch])


print(padded(rows[:3])[:, -8:].numpy())

# %% [markdown]
# ## 4 自己的 LSTM 分类器
#
# 多对一：取最后的状态。但要小心**补齐**：短句子的“最后一步”是补上的 0。`sequence_length` 告诉 LSTM 每句话真正的长度。


# %%
class LstmClassifier(nn.Layer):
    def __init__(self, n_words):
        super().__init__()
        self.embedding = nn.Embedding(n_words, 32, padding_idx=0)
        self.lstm, self.head = nn.LSTM(32, 32), nn.Linear(32, 1)

    def forward(self, ids, lengths):
        _, (last, _) = self.lstm(self.embedding(ids), sequence_length=lengths)
        return self.head(last[0]).squeeze(-1)


# %%
paddle.seed(3)
model = LstmClassifier(len(words) + 1)
optimizer = paddle.optimizer.Adam(1e-2, parameters=model.parameters())
order, losses = np.random.default_rng(0), []
for _epoch in range(3):
    shuffled = order.permutation(len(rows))
    for chosen in (shuffled[start : start + 24] for start in range(0, len(rows), 24)):
        batch = [rows[one] for one in chosen]
        logits = model(padded(batch), paddle.to_tensor([len(row) for row in batch]))
        loss = nn.functional.binary_cross_entropy_with_logits(logits, paddle.to_tensor(labels[chosen]))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        losses.append(float(loss))
show(lines(range(1, len(losses) + 1), {"损失": losses}, "手写的训练循环", ("步", "交叉熵")))
assert np.mean(losses[-5:]) < losses[0]

# %% [markdown]
# ## 5 同样的事，用 `train`
#
# 换网络只要改 `model.encoder`：`rnn`、`gru`、`lstm`、`bilstm`。一百多条影评太少，三者的差距说明不了问题——所以旁边放上基线。

# %%
SHORT = {"logging": {"detail": "light"}, "training": {"epochs": 3}}
runs = {
    kind: train(config("quick/sentiment-imdb"), **SHORT, model={"encoder": kind}, run_dir=f"runs/03-{kind}")
    for kind in ("rnn", "lstm")
}
runs["TF-IDF"] = baseline(config("quick/sentiment-imdb"), run_dir="runs/03-baseline")
scores = [run.result["test"]["accuracy"] for run in runs.values()]
show(bars(list(runs), {"测试集正确率": scores}))

# %% [markdown]
# 想看 LSTM 返回的一切，用 `inspect`：

# %%
for output in inspect("lstm", "今天天气真好").outputs:
    print(f"{output.name:20s} {output.array.shape}  {output.purpose}")

# %% [markdown]
# ## 练习
#
# **03-1** 写出批次迭代器 `batches(rows, size)`：返回批次的列表，每个批次是 `rows` 里接连的至多 `size` 行。**每一行都要出现**（课程的测试代码丢掉了最后不满的一批，却仍然除以全部行数，正确率因此偏低）。


# %% tags=["exercise"]
def batches(rows, size):
    return ...


check("03-1", batches)

# %% [markdown]
# 答案在 [solutions/03_RNN与LSTM情感分析.py](solutions/03_RNN与LSTM情感分析.py)。
#
# **探索**
#
# 1. 去掉 `sequence_length`，损失怎样变？为什么？
# 2. 第 2 节里把遗忘门的偏置改回 0，LSTM 的曲线变成什么样？
# 3. `model={"encoder": "bilstm"}` 的参数是 `lstm` 的几倍？先算，再用 `params` 核对。
# 4. 取最后的状态（`pooling="cls"` 对应 h_n）、平均、最大，哪一种好？
#
# ## 在 AI Studio 上训练完整的模型
#
# IMDb 的两万五千条影评（`aclImdb` 文件夹或 `.tar.gz` 都可以直接读）：
#
# ```bash
# paddle-tasks train configs/sentiment-imdb.yaml data.train=aclImdb data.test=aclImdb
# paddle-tasks train configs/sentiment-imdb.yaml data.train=aclImdb data.test=aclImdb model.encoder=rnn run_dir=runs/imdb-rnn
# ```
#
# 完整的配置：

# %%
print(config("sentiment-imdb").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - Hochreiter 与 Schmidhuber，[Long Short-Term Memory](https://doi.org/10.1162/neco.1997.9.8.1735)
# - Pascanu 等，[On the Difficulty of Training Recurrent Neural Networks](https://arxiv.org/abs/1211.5063)
# - Olah，[Understanding LSTM Networks](https://colah.github.io/posts/2015-08-Understanding-LSTMs/)
# - 本项目的[情感分析](../docs/zh/sentiment.md)
