# %% [markdown]
# # 09 Seq2Seq 与注意力
#
# **目标**：分清三种“序列到……”的形式；看清编码器—解码器没有注意力时卡在哪里，加上注意力之后又怎样工作；最后把同样的网络用在文言文翻译上。
#
# **用到的**：`nn.LSTM`，`paddle_tasks.train`、`baseline`、`inspect`、`load`；Teacher forcing、BLEU。

# %%
from course import check, config, samples, show
from paddle_tasks import baseline, inspect, load, train
from paddle_tasks.figures.learning import comparison
from paddle_tasks.figures.matrices import matrix
from paddle_tasks.figures.scores import bars
from paddle_tasks.files import read_json_lines

import numpy as np
import paddle
import pandas as pd
from paddle import nn

# %% [markdown]
# ## 1 三种形式
#
# | 形式 | 取什么 | 例子 |
# |---|---|---|
# | 多对一 | 最后的状态 `h_n` | 情感分类（03） |
# | 多对多，一一对应 | 每一步的 `outputs` | 序列标注（06） |
# | 编码器—解码器 | 编码器读完，解码器再写，长度不必相同 | 翻译（本篇） |
#
# 先看 LSTM 的输入与输出。Paddle 的批次在第一维（其他框架常要写 `batch_first=True`；这里是 `time_major=False`，默认如此）。

# %%
paddle.seed(0)
lstm = nn.LSTM(input_size=5, hidden_size=3)
inputs = paddle.randn([2, 4, 5])
outputs, (h_n, c_n) = lstm(inputs)
print("输入   ", inputs.shape, "[批次, 长度, 输入宽度]")
print("outputs", outputs.shape, "[批次, 长度, 隐藏宽度]：多对多")
print("h_n    ", h_n.shape, "[层数 × 方向, 批次, 隐藏宽度]：多对一")
print("c_n    ", c_n.shape, "细胞状态")
assert np.allclose(outputs[:, -1].numpy(), h_n[0].numpy())

# %% [markdown]
# 最后一步的 `outputs` 就是 `h_n`。没有注意力的 seq2seq 只把这**一个**向量交给解码器：不管原文多长，都要塞进去。注意力则让解码器每写一个字，都回头看编码器的**全部** `outputs`。
#
# ## 2 一个看得懂的任务：念数字
#
# 翻译太难，几秒钟学不会。先造一个小任务：把中文数字“三七二九”译成“3729”。原文越长，一个向量就越装不下。

# %%
DIGITS = "零一二三四五六七八九"


def make_pairs(count, seed):
    random = np.random.default_rng(seed)
    rows = [random.integers(0, 10, random.integers(4, 13)) for _ in range(count)]
    source = ["".join(DIGITS[digit] for digit in row) for row in rows]
    return pd.DataFrame({"book": "数字", "source": source, "target": ["".join(map(str, row)) for row in rows]})


for split, count, seed in (("train", 1500, 1), ("dev", 60, 2), ("test", 60, 3)):
    make_pairs(count, seed).to_csv(f"digits-{split}.tsv", sep="\t", index=False)
pd.read_csv("digits-dev.tsv", sep="\t", dtype=str).head(3)

# %% [markdown]
# 两次训练只差一处：`attention` 取 `none` 还是 `additive`。


# %%
def fit(attention):
    model = {"attention": attention, "hidden_size": 48, "embedding_size": 32}
    return train(config("quick/translate-rnn"), **NUMBERS, model=model, run_dir=f"runs/09-{attention}")


NUMBERS = {
    "data": {split: f"digits-{split}.tsv" for split in ("train", "dev", "test")}
    | {"columns": {"source": "source", "target": "target"}},
    "optimizer": {"learning_rate": 1e-2},
    "training": {"epochs": 6, "batch_size": 60},
    "generation": {"max_new_tokens": 14},
    "logging": {"detail": "light"},
}
without, attending = fit("none"), fit("additive")
accuracy = [run.result["test"]["accuracy"] for run in (without, attending)]
show(bars(["没有注意力", "加性注意力"], {"下一个字的正确率": accuracy}, form=".2f"))
assert accuracy[1] > accuracy[0] + 0.1

# %%
curves = {name: read_json_lines(run.folder / "metrics.jsonl") for name, run in (("没有", without), ("有", attending))}
show(comparison(curves, metric="accuracy", title="注意力"))

# %% [markdown]
# 再看它们自己写出来的译文，逐位与答案相比，按原文的长度分开。没有注意力的网络写过头几位就不知道写到哪里了，原文越长，错得越多。


# %%
def share_right(row):
    written = row["predicted"].ljust(len(row["gold"]))
    return np.mean([written[place] == digit for place, digit in enumerate(row["gold"])])


tables = {}
for name, run in (("没有注意力", without), ("加性注意力", attending)):
    rows = run.predictions
    tables[name] = rows.apply(share_right, axis=1).groupby(pd.cut(rows["text"].str.len(), [3, 6, 9, 12])).mean()
pd.DataFrame(tables).rename_axis("原文长度").round(2)

# %% [markdown]
# ### 注意力看哪里
#
# 每行是解码器写的一个数字，每列是原文的一个字。没有人告诉模型“第几个对第几个”，对角线是它自己学到的。

# %%
found = inspect(attending.folder, "三七二九一五", "372915")
weights = found["cross_attentions"][0, 0]
show(matrix(weights, found.target, found.tokens, "写每个字时看原文的哪里"))

# %% [markdown]
# ## 3 Teacher forcing
#
# 训练时，解码器读的是**正确的前文**，而不是自己刚写的字：输入是“`<开始>` 3 7 2”，要预测的是“3 7 2 `<结束>`”——整体错开一位。这样所有位置可以一次算完；代价是模型没见过自己的错误，预测时一步错、步步错。`training.teacher_forcing` 可以让它逐渐改读自己的输出。
#
# ## 4 文言文到现代汉语
#
# 同样的网络，换上真正的句对。附带的句对很少，几十步之后当然译不好；`baseline` 说明了一件有趣的事：**照抄原文**也能得不少分，因为两种语言用同样的字。

# %%
samples("translate")[["classical", "modern"]].head(3)

# %%
SHORT = {"training": {"max_steps": 30}, "logging": {"detail": "light"}}
copied = baseline(config("quick/translate"), run_dir="runs/09-baseline")
translated = train(config("quick/translate"), **SHORT, run_dir="runs/09-transformer")
scores = [run.result["test"]["bleu"] for run in (copied, translated)]
show(bars(["照抄", "Transformer，30 步"], {"BLEU": scores}, form=".1f"))
assert scores[0] > scores[1]

# %%
load(translated.folder)("学而时习之")["outputs"][0]["text"]

# %% [markdown]
# 在多得多的句对上训练出来的模型是另一回事，配置是 `configs/translate.yaml`。
#
# ## 练习
#
# **09-1** 写出 `shift(target, start, end)`：`target` 是一串目标编号的列表，`start`、`end` 是两个特殊编号。返回 `(inputs, labels)`：解码器读入什么，每个位置要预测什么。


# %% tags=["exercise"]
def shift(target, start, end):
    return ...


check("09-1", shift)

# %% [markdown]
# 答案在 [solutions/09_Seq2Seq与注意力.py](solutions/09_Seq2Seq与注意力.py)。
#
# **探索**
#
# 1. 把数字串加长到 30，注意力还撑得住吗？训练长度 4–12、测试长度 30 呢？
# 2. 让目标倒过来写（“三七二”→“273”），注意力图变成什么样？
# 3. `generation={"num_beams": 4}` 在这个任务上有用吗？在翻译上呢？
# 4. `attention="multiplicative"` 与 `additive` 的参数量差多少？
#
# ## 在 AI Studio 上训练完整的模型
#
# ```bash
# paddle-tasks train configs/translate-rnn.yaml data.train=$T/train.tsv data.dev=$T/dev.tsv data.test=$T/test.tsv
# paddle-tasks train configs/translate-rnn.yaml data.train=$T/train.tsv data.dev=$T/dev.tsv data.test=$T/test.tsv model.attention=none run_dir=runs/translate-rnn-none
# paddle-tasks train configs/translate.yaml data.train=$T/train.tsv data.dev=$T/dev.tsv data.test=$T/test.tsv
# ```
#
# 完整的配置：

# %%
print(config("translate-rnn").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - Sutskever 等，[Sequence to Sequence Learning with Neural Networks](https://arxiv.org/abs/1409.3215)
# - Bahdanau 等，[Neural Machine Translation by Jointly Learning to Align and Translate](https://arxiv.org/abs/1409.0473)：加性注意力
# - Luong 等，[Effective Approaches to Attention-based Neural Machine Translation](https://arxiv.org/abs/1508.04025)：乘性注意力
# - Bengio 等，[Scheduled Sampling](https://arxiv.org/abs/1506.03099)
# - 本项目的[文言文译成现代汉语](../docs/zh/translate.md)
