# %% [markdown]
# # 05 BERT/ERNIE 情感分类
#
# **目标**：从一条评论开始，亲手走完微调 BERT 的每一步：数据集、批次、补齐、自己的 `Layer`、训练循环；再用本项目的 `train` 一次做完，比较冻结与全量微调、不同的学习率。
#
# **用到的**：`MapDataset`、`BatchSampler`、`DataLoader`，`Pad` / `Stack` / `Tuple`，PaddleNLP 的 `BertModel`；`paddle_tasks.train`、`inspect`、`load`。
#
# 全部在 CPU 上运行，不联网：这里的 BERT 是随项目附带的小模型（4 层，宽 256），换成 `bert-base-chinese` 只需改一个名字。

# %%
from course import check, config, lines, model_folder, samples, show, stored_result
from paddle_tasks import inspect, load, train
from paddle_tasks.figures.matrices import matrix
from paddle_tasks.figures.scores import bars

import numpy as np
import paddle
import pandas as pd
from paddle import nn
from paddle.io import BatchSampler, DataLoader
from paddlenlp.data import Pad, Stack, Tuple
from paddlenlp.datasets import MapDataset
from paddlenlp.transformers import BertModel, BertTokenizer
from paddlenlp.utils.log import logger

# %% [markdown]
# ## 1 数据：从表格到 MapDataset
#
# 样例评论是一张表，标签是 `positive` 和 `negative`。`MapDataset` 只要求一个列表；`map` 对每条样本调用一次函数。注意 `map` 会**改变并返回自己**。

# %%


def short_reviews(split, count):  # 短评论，几秒钟就能训练一遍
    table = samples("sentiment", split)
    return table[table["text"].str.len() <= 20].head(count)


reviews = short_reviews("train", 320)
reviews[["label", "text"]].head(3)

# %%
logger.set_level("WARNING")  # PaddleNLP 不必报告每个读到的文件
tokenizer = BertTokenizer.from_pretrained(str(model_folder("bert-mini-zh")))


def encode(row):
    ids = tokenizer(row["text"], max_length=32, truncation=True)
    return ids["input_ids"], ids["token_type_ids"], int(row["label"] == "positive")


dataset = MapDataset(reviews.to_dict("records")).map(encode)
ids, types, label = dataset[0]
print(tokenizer.convert_ids_to_tokens(ids))
print(ids, types, label, sep="\n")

# %% [markdown]
# ## 2 批次：谁和谁在一起，怎样对齐
#
# 三件事，三个对象：
#
# - `BatchSampler` 决定**哪些行**组成一个批次；
# - `Pad` 把长短不一的编号补齐成矩阵，`Stack` 把标签摞成向量，`Tuple` 把它们对应到样本的三个字段；
# - `DataLoader` 按批次取数据，并调用上面的 `collate`。

# %%
pad = Pad(pad_val=tokenizer.pad_token_id, dtype="int64")
collate = Tuple(pad, Pad(pad_val=0, dtype="int64"), Stack(dtype="int64"))
np.random.seed(0)  # BatchSampler 用 numpy 的随机数打乱
sampler = BatchSampler(dataset, batch_size=16, shuffle=True)
loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=collate)
input_ids, token_type_ids, labels = next(iter(loader))
print("input_ids", input_ids.shape, "labels", labels.shape)

# %% [markdown]
# 一个批次长什么样？下图每行是一条评论，深色是真实的词元，浅色是补上的 `[PAD]`。补齐只到**本批次最长的一条**，而不是 512：长度相近的评论放在一起，浪费就更少。

# %%
real = (input_ids != tokenizer.pad_token_id).astype("int64").numpy()
positions = [str(position) for position in range(real.shape[1])]
show(matrix(real, [f"评论 {row}" for row in range(len(real))], positions, "一个批次里的真实词元", numbers=False))
print(f"补齐占 {1 - real.mean():.1%}")

# %%
order = sorted(range(len(dataset)), key=lambda row: len(dataset[row][0]))
by_length = [collate([dataset[row] for row in order[start : start + 16]])[0] for start in range(0, len(order), 16)]
padding = [(batch == tokenizer.pad_token_id).mean() for batch in by_length]
print(f"按长度分组后，补齐占 {np.mean(padding):.1%}")
assert np.mean(padding) < 1 - real.mean()

# %% [markdown]
# ## 3 BERT 返回什么
#
# | 输出 | 形状 | 是什么 |
# |---|---|---|
# | `last_hidden_state` | [批次, 长度, 宽度] | 最后一层，每个词元一个向量 |
# | `pooler_output` | [批次, 宽度] | `[CLS]` 的向量经过一个全连接层和 tanh |
# | `hidden_states` | 层数 + 1 个 [批次, 长度, 宽度] | 嵌入，以及每一层的输出 |
# | `attentions` | 层数个 [批次, 头数, 长度, 长度] | 每个头的注意力权重 |

#
# 附带的权重以半精度（float16）保存，体积减半；训练前转成单精度。


# %%
def new_bert():
    stored = BertModel.from_pretrained(str(model_folder("bert-mini-zh")), dtype="float16")
    return stored.to(dtype="float32")


bert = new_bert()
bert.eval()
outputs = bert(input_ids, token_type_ids, output_hidden_states=True, output_attentions=True, return_dict=True)
print("last_hidden_state", outputs.last_hidden_state.shape)
print("pooler_output    ", outputs.pooler_output.shape)
print("hidden_states    ", len(outputs.hidden_states), "个", outputs.hidden_states[0].shape)
print("attentions       ", len(outputs.attentions), "个", outputs.attentions[0].shape)
assert len(outputs.hidden_states) == bert.config.num_hidden_layers + 1

# %% [markdown]
# 本项目的 `inspect` 对一句话给出同样的东西，并带上检验。下图是最后一层第一个头的注意力：每行是一个词元，它从各列的词元取信息。

# %%
found = inspect("builtin/bert-mini-zh", "房间干净，早餐太差了")
show(matrix(found["attentions"][-1, 0], found.tokens, found.tokens, "注意力：最后一层，第 1 个头", numbers=False))

# %% [markdown]
# ## 4 自己的 Layer
#
# 课程的写法：`[CLS]` 的向量 → 全连接 → ReLU → 全连接到 1 个数 → sigmoid。训练时把 sigmoid 并进损失函数（`binary_cross_entropy_with_logits`），数值更稳定。


# %%
class SentimentBert(nn.Layer):
    def __init__(self, bert):
        super().__init__()
        self.bert, width = bert, bert.config.hidden_size
        self.head = nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 1))

    def forward(self, input_ids, token_type_ids):
        states, _ = self.bert(input_ids, token_type_ids)
        return self.head(states[:, 0]).squeeze(-1)


# %% [markdown]
# 训练循环只有五行：前向、损失、反向、更新、清零。先训一遍这些评论，每 16 条更新一次。批次小，单步的损失忽高忽低，要看平均。

# %%
paddle.seed(2026)
np.random.seed(2026)
model = SentimentBert(new_bert())
clip = nn.ClipGradByGlobalNorm(1.0)  # 一步太大会冲掉预训练学到的东西
optimizer = paddle.optimizer.AdamW(5e-4, parameters=model.parameters(), weight_decay=0.01, grad_clip=clip)
losses = []
model.train()
for input_ids, token_type_ids, labels in loader:
    logits = model(input_ids, token_type_ids)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, labels.astype("float32"))
    loss.backward()
    optimizer.step()
    optimizer.clear_grad()
    losses.append(float(loss))
smooth = pd.Series(losses).rolling(8, min_periods=1).mean()
show(lines(range(1, len(losses) + 1), {"每一步": losses, "最近八步的平均": smooth}, "手写的训练循环", ("步", "交叉熵")))

# %% [markdown]
# 在没见过的评论上检验。`model.eval()` 关掉 dropout；忘了它，同一句话每次的答案都不一样。

# %%
model.eval()
unseen = MapDataset(short_reviews("dev", 96).to_dict("records")).map(encode)
input_ids, token_type_ids, labels = (paddle.to_tensor(field) for field in collate(list(unseen)))
with paddle.no_grad():
    predicted = (model(input_ids, token_type_ids) > 0).astype("int64")
print(f"{len(labels)} 条评论，正确率 {float((predicted == labels).astype('float32').mean()):.3f}")

# %% [markdown]
# ## 5 同一件事，一行：`train`
#
# 手写一遍之后就可以放心地用工具了。`train` 与命令行 `paddle-tasks train` 是同一个函数：它负责批次按长度分组、断点续训、验证集选最优、写 VisualDL。为了几秒钟出结果，这里把样例截短，只更新 20 步。

# %%
reviews.to_csv("reviews-train.tsv", sep="\t", index=False)
short_reviews("dev", 96).to_csv("reviews-dev.tsv", sep="\t", index=False)
SHORT = {
    "data": {"train": "reviews-train.tsv", "dev": "reviews-dev.tsv", "test": None},
    "training": {"max_steps": 20, "batch_size": 16, "max_length": 32},
    "logging": {"detail": "light"},  # 只记录曲线，不画混淆矩阵等图
}
BERT = {"encoder": "builtin/bert-mini-zh", "pooling": "cls", "dropout": 0.1}
full = train(config("sentiment"), **SHORT, model=BERT, optimizer={"learning_rate": 1e-3}, run_dir="runs/05-full")
full

# %% [markdown]
# ### 冻结与全量微调
#
# `training.freeze` 写上参数名的模式：`encoder.*` 表示整个编码器不动，只训练分类头。好处是快（编码器的输出只算一次）、省内存；代价是编码器没有适应这个任务。

# %%
only_head = {**SHORT, "training": {**SHORT["training"], "freeze": ["encoder.*"]}}
frozen = train(
    config("sentiment"), **only_head, model=BERT, optimizer={"learning_rate": 1e-3}, run_dir="runs/05-frozen"
)
accuracy = {run.folder.name: run.result["dev"]["accuracy"] for run in (full, frozen)}
show(bars(["全量微调", "冻结编码器"], {"验证集正确率": list(accuracy.values())}))
assert accuracy["05-full"] > accuracy["05-frozen"]

# %% [markdown]
# ### 学习率
#
# 预训练模型的学习率要小：太大，几步就把预训练学到的东西冲掉；太小，20 步什么也没学到。把上面的学习率分别换成很小和很大的，三次训练除此以外完全相同（包括随机种子）。小模型可以用比 `bert-base` 更大的学习率。

# %%
by_rate = {"0.001": full.result["dev"]["accuracy"]}
for rate in (1e-5, 2e-2):
    run = train(
        config("sentiment"), **SHORT, model=BERT, optimizer={"learning_rate": rate}, run_dir=f"runs/05-{rate:g}"
    )
    by_rate[f"{rate:g}"] = run.result["dev"]["accuracy"]
show(bars(list(by_rate), {"验证集正确率": list(by_rate.values())}, title="学习率"))
assert max(by_rate, key=by_rate.get) == "0.001"

# %% [markdown]
# ## 6 换成 ERNIE，训练完整
#
# ERNIE 与 BERT 结构相同，区别在预训练：ERNIE 遮住的是整个词，BERT 遮住单个字。`configs/sentiment.yaml` 默认就是附带的 ERNIE。下面读取随模型保存的 `result.json`，看它完整训练后的成绩，再让它回答一句话。

# %%
stored = stored_result("sentiment")
print("训练数据", stored["data"]["train"]["rows"], "行；测试集", stored["data"]["test"]["rows"], "行")
print(f"测试集正确率 {stored['test']['accuracy']:.4f}，F1 {stored['test']['f1']:.4f}")
load("builtin/sentiment")("房间干净，就是早餐太差了", explain=True)

# %% [markdown]
# ## 练习
#
# **05-1** 句子的向量不一定取 `[CLS]`，也可以取所有真实词元的平均。写出 `mean_pool(states, mask)`：`states` 是 `float32 [批次, 长度, 宽度]`，`mask` 是 `int64 [批次, 长度]`，1 表示真实词元，0 表示补齐。返回 `[批次, 宽度]`。


# %% tags=["exercise"]
def mean_pool(states, mask):
    return ...


check("05-1", mean_pool)

# %% [markdown]
# 答案在 [solutions/05_BERT与ERNIE情感分类.py](solutions/05_BERT与ERNIE情感分类.py)，做完再看。
#
# **探索**
#
# 1. 把第 4 节的 `[CLS]` 换成 `mean_pool`，损失下降得更快还是更慢？换三个随机种子再下结论。
# 2. `optimizer={"learning_rates": {"head.*": 2e-3}}` 给分类头单独的学习率。为什么随机初始化的头可以更大？
# 3. `optimizer={"layer_decay": 0.9}` 让越靠下的层学习率越小，和冻结有什么关系？
# 4. 打开 `runs/05-full/predictions/errors.jsonl`，错得最离谱的三条是什么？是模型错了还是标签错了？
#
# ## 在 AI Studio 上训练完整的模型
#
# 在 GPU 项目的终端里，先 `make demo VENV=` 安装，再运行（数据换成自己的三个文件）：
#
# ```bash
# paddle-tasks train configs/sentiment.yaml model.encoder=bert-base-chinese model.pooling=cls optimizer.learning_rate=3e-5 training.epochs=3 training.precision=float16 run_dir=runs/bert
# paddle-tasks train configs/sentiment.yaml model.encoder=ernie-3.0-medium-zh model.pooling=cls optimizer.learning_rate=3e-5 training.epochs=3 training.precision=float16 run_dir=runs/ernie
# paddle-tasks report runs/bert runs/ernie --markdown results.md
# ```
#
# 完整的配置：

# %%
print(config("sentiment").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - Devlin 等，[BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding](https://arxiv.org/abs/1810.04805)
# - Sun 等，[ERNIE: Enhanced Representation through Knowledge Integration](https://arxiv.org/abs/1904.09223)
# - Sun 等，[How to Fine-Tune BERT for Text Classification?](https://arxiv.org/abs/1905.05583)：学习率、层间衰减、遗忘
# - 本项目的[情感分析](../docs/zh/sentiment.md)、[编码器](../docs/zh/encoders.md)与[训练选项](../docs/zh/options.md)
