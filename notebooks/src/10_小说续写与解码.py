# %% [markdown]
# # 10 小说续写与解码
#
# **目标**：让机器接着往下写。从数字数的 n-gram，到课程作业的“BERT + 全连接”“BERT + LSTM”，再到因果 Transformer；然后弄清**解码**：同一个模型，贪心、采样、束搜索写出来的东西完全不同。
#
# **用到的**：Kneser–Ney n-gram、`train`、`inspect`、`load("builtin/novel")`。

# %%
from course import check, config, lines, show
from paddle_tasks import inspect, load, train
from paddle_tasks.data.tables.catalogue import SAMPLES
from paddle_tasks.figures.matrices import matrix
from paddle_tasks.figures.scores import bars
from paddle_tasks.models.ngrams.kneser_ney import KneserNey

import math
import numpy as np

# %% [markdown]
# ## 1 n-gram 与 V^n
#
# n 阶马尔可夫模型只看前 n 个字。词表有 V 个字，上文就有 V^n 种可能——而一本书里真正出现过的只是九牛一毛。数一数附带的两篇故事：

# %%
text = "".join(path.read_text(encoding="utf-8") for path in sorted((SAMPLES / "novel").glob("*[!E].txt")))
n_characters = len(set(text))
possible = {n: n_characters**n for n in range(1, 6)}
seen = {n: len({text[start : start + n] for start in range(len(text) - n + 1)}) for n in possible}
for n in possible:
    print(f"n = {n}：可能 {possible[n]:>22,}，出现过 {seen[n]:>6,}")
growth = {
    "可能的上文": [math.log10(count) for count in possible.values()],
    "出现过的": [math.log10(n) for n in seen.values()],
}
show(lines(list(possible), growth, "上文的种数", ("n", "以 10 为底的对数")))

# %% [markdown]
# 没出现过的上文怎么办？**平滑**：退回到更短的上文。下面用效果最好的经典方法，插值的修正 Kneser–Ney，在前九成文字上计数，在最后一成上算困惑度（命令行的 `paddle-tasks baseline` 就是它）。这个数是后面所有神经网络要先超过的线。

# %%
number_of = {character: number for number, character in enumerate(sorted(set(text)))}
numbers = [number_of[character] for character in text]
cut = len(numbers) * 9 // 10
perplexity = {}
for order in range(1, 6):
    model = KneserNey.fit([numbers[:cut]], n_characters, order)
    perplexity[order] = math.exp(-model.log_probs([numbers[cut:]])[0].mean())
show(bars([f"{order} 元" for order in perplexity], {"留出部分的困惑度": list(perplexity.values())}, form=".1f"))
assert perplexity[2] < perplexity[1]

# %% [markdown]
# ## 2 双向、单向、自回归
#
# - **BERT + 全连接 / LSTM**（课程的两个网络）：读一个窗口（课程取 32 个字，加上 `[CLS]`、`[SEP]` 是 34），窗口内**双向**可见，只预测窗口后面的**一个**字。
# - **因果 Transformer**：每个位置只看得到前面，于是**每个位置**都是一个训练样本，解码时前面的计算还能缓存。
#
# 下图左是双向，右是因果：深色表示“行”可以看“列”。

# %%
names = list("话说宝玉听了")
show(matrix(np.ones((6, 6)), names, names, "BERT：都看得到", numbers=False))
show(matrix(np.tril(np.ones((6, 6))), names, names, "因果：只看得到前面", numbers=False))

# %% [markdown]
# 附带模型的真实注意力证明了这一点：右上角全是 0。

# %%
found = inspect("builtin/novel", "话说宝玉听了")
weights = found["attentions"][-1].mean(axis=0)
show(matrix(weights, found.tokens, found.tokens, "附带的小说模型：最后一层，各头平均"))
assert np.triu(weights, 1).max() < 1e-6

# %% [markdown]
# ## 3 训练：读同样多的字，三个网络
#
# 三个网络都从附带的 ERNIE 出发，各读 12 批、每批 32 个窗口、每个窗口 32 个字。读的一样多，**损失却来自不同多的字**：窗口模型每个窗口一个字，因果模型每个位置一个字。


# %%
def fit(architecture):
    model = {"architecture": architecture, "encoder": "builtin/ernie-mini-zh", **SIZES.get(architecture, {})}
    return train({**SETTINGS, "model": model, "run_dir": f"runs/10-{architecture}"})


SIZES = {"gpt": {"hidden_size": 256, "n_layers": 4, "n_heads": 4}}
BOOKS = {"path": "builtin/novel", "members": ["*.txt"]}
DATA = {split: [{**BOOKS, "chapters": split}] for split in ("train", "dev")}
SETTINGS = {
    "task": "novel",
    "data": {**DATA, "max_overlap": None, "window": 32, "max_dev_characters": 200},
    "optimizer": {"learning_rate": 1e-3},
    "training": {"max_steps": 12, "batch_size": 32},
    "logging": {"detail": "light"},
}
networks = {"BERT + 全连接": "bert-fc", "BERT + LSTM": "bert-lstm", "因果 Transformer": "gpt"}
results = [fit(architecture).result["dev"]["perplexity"] for architecture in networks.values()]
show(bars(list(networks), {"验证集困惑度": results}, form=".0f"))
assert min(results) == results[-1]

# %% [markdown]
# 12 步的网络还写不出句子。**别和第 1 节的 n-gram 比输**：数据这么少、训练这么短，数数的模型更好，这很正常。附带的 `builtin/novel` 是同一个因果 Transformer，在许多部公有领域的小说上训练。
#
# ## 4 解码
#
# 模型给出的是下一个字的**概率分布**。怎样从分布里选字，就是解码。先看“话说宝”后面的分布，以及温度怎样改变它：温度低，分布更尖；温度高，更平。


# %%
def at_temperature(log_probs, temperature):
    scaled = np.exp(log_probs / temperature)
    return scaled / scaled.sum()


log_probs = inspect("builtin/novel", "话说宝")["log_probs"][-1].astype("float64")
best = np.argsort(-log_probs)[:10]
curves = {f"温度 {t}": at_temperature(log_probs, t)[best] for t in (0.5, 1.0, 2.0)}
show(lines(range(1, 11), curves, "最可能的 10 个字的概率", ("名次", "概率")))

# %% [markdown]
# 同一个开头，四种解码：
#
# - **贪心**：每次取最可能的字——很快就开始重复；
# - **束搜索**：找总概率最高的一句——通顺，平淡，也容易重复；
# - **top-k 采样**：只在最可能的 k 个里抽签（课程取 10）；
# - 再加上课程的规则“**30 个字之内不重复**”（`no_repeat_window`）。

# %%
write = load("builtin/novel")
PLAIN = {"max_new_tokens": 60, "no_repeat_window": 0, "no_repeat_ngram_size": 0, "repetition_penalty": 1.0}
WAYS = {
    "贪心": {**PLAIN, "do_sample": False},
    "束搜索": {**PLAIN, "do_sample": False, "num_beams": 4},
    "top-k 10": {**PLAIN, "do_sample": True, "top_k": 10, "seed": 1},
    "top-k 10，30 字内不重复": {**PLAIN, "do_sample": True, "top_k": 10, "seed": 1, "no_repeat_window": 30},
}
written = {name: write("话说宝玉", **options)["outputs"][0]["text"] for name, options in WAYS.items()}
for name, continuation in written.items():
    print(f"【{name}】话说宝玉{continuation}\n")


# %%
def share_of_new(text, n=2):
    pieces = [text[start : start + n] for start in range(len(text) - n + 1)]
    return len(set(pieces)) / len(pieces)


variety = {name: share_of_new(continuation) for name, continuation in written.items()}
show(bars(list(variety), {"不重复的二字组合所占比例": list(variety.values())}, form=".2f"))
assert variety["贪心"] < variety["top-k 10"]

# %% [markdown]
# “30 字之内不重复”治得了重复，却有代价：连“的”“了”“，”也不能再用，标点很快就用完了。看最后一段的标点，就明白课程里“预测全被挡住，只好输出填充符”是怎么来的。更温和的办法是禁止重复的 n-gram（`no_repeat_ngram_size=4`）。
#
# ## 练习
#
# **10-1** 写出 `top_k(probs, k)`：`probs` 是一个分布（numpy 数组），只留最大的 k 个概率，其余变成 0，再**归一化**，位置不变。


# %% tags=["exercise"]
def top_k(probs, k):
    return ...


check("10-1", top_k)

# %% [markdown]
# 答案在 [solutions/10_小说续写与解码.py](solutions/10_小说续写与解码.py)。
#
# **探索**
#
# 1. 换一个现代的开头（比如“他打开手机”），附带的模型为什么写不好？
# 2. `top_p=0.9` 与 `top_k=10` 各在什么时候更合适？画出两种情况下保留的字数。
# 3. 同一个种子写两遍，结果一样吗？为什么每篇都有自己的随机数序列？
# 4. 让模型写 500 字，人名是从哪里来的？训练集里查得到原句吗？（`run.result["test"]` 里有照抄的长度。）
#
# ## 在 AI Studio 上训练完整的模型
#
# 小说文件夹放在 `my/books`：
#
# ```bash
# paddle-tasks train configs/novel-gpt.yaml data.folder=. data.train='[{path: my/books, chapters: train}]' data.dev='[{path: my/books, chapters: dev}]' data.test='[{path: my/books, chapters: test}]'
# paddle-tasks train configs/novel-bert-fc.yaml data.folder=. data.train='[{path: my/books, chapters: train}]' data.dev='[{path: my/books, chapters: dev}]' data.test='[{path: my/books, chapters: test}]'
# paddle-tasks train configs/novel-bert-lstm.yaml data.folder=. data.train='[{path: my/books, chapters: train}]' data.dev='[{path: my/books, chapters: dev}]' data.test='[{path: my/books, chapters: test}]'
# ```
#
# 完整的配置：

# %%
print(config("novel-gpt").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - Holtzman 等，[The Curious Case of Neural Text Degeneration](https://arxiv.org/abs/1904.09751)：贪心和束搜索为什么会重复，top-p 从何而来
# - Chen 与 Goodman，[An Empirical Study of Smoothing Techniques for Language Modeling](https://doi.org/10.1006/csla.1999.0128)
# - 本项目的[续写小说](../docs/zh/novel.md)：数据怎样划分、成绩、速度
