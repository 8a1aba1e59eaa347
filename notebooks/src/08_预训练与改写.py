# %% [markdown]
# # 08 预训练 MLM/NSP 与改写
#
# **目标**：看清 BERT 怎样预训练——把遮住的字猜回来（MLM，一种去噪）、判断两句是否相连（NSP）；亲手预训练一个极小的模型；再用掩码语言模型做三件不用训练的事：完形填空、零样本分类、改写。
#
# **用到的**：`train`（任务 pretrain）、`pipeline("fill-mask")`、`pipeline("rewrite")`、`params`。

# %%
from course import check, config, model_folder, samples, show
from paddle_tasks import params, pipeline, train
from paddle_tasks.figures.learning import learning_curves
from paddle_tasks.figures.scores import bars
from paddle_tasks.files import read_json_lines
from paddle_tasks.text.masking import Masking
from paddle_tasks.text.tokenizer import Tokenizer

import jieba
import numpy as np

jieba.setLogLevel("WARNING")

# %% [markdown]
# ## 1 遮住，再猜
#
# 每段文本选 15% 的词元让模型猜。选中的词元里，80% 换成 `[MASK]`，10% 换成随机的字，10% 保持不变——否则模型只学会对付 `[MASK]`，而真正使用时文本里没有 `[MASK]`。
#
# 这就是**去噪**：给模型看坏了的文本，让它还原。BERT 遮单字；ERNIE 遮整个词，不让它从“早[MASK]”里轻易猜出“餐”。

# %%
tokenizer = Tokenizer.load(model_folder("bert-mini-zh"))
text = "房间干净整洁，服务员态度也好，就是早餐品种太少，而且有点凉。"
ids = np.array(tokenizer.encode([text], max_length=64)[0].input_ids[1:-1], np.int32)
words = [len(word) for word in jieba.cut(text)]
starts = {"BERT：单字": np.ones(len(ids), bool), "ERNIE：整词": np.isin(np.arange(len(ids)), np.cumsum([0, *words]))}
mask_id = tokenizer.encode(["[MASK]"], max_length=8)[0].input_ids[1]
for name, units in starts.items():
    generator = np.random.default_rng(4)
    chosen, masked = Masking().apply(ids, units, mask_id, np.arange(200, 3000), generator)
    shown = ["＿" if one == mask_id else tokenizer.vocabulary[one] for one in masked]
    print(f"{name}　{''.join(shown)}　要猜：{[text[place] for place in chosen]}")

# %% [markdown]
# 三种处理的比例，抽一万次数一数：

# %%
generator, treated = np.random.default_rng(0), {"[MASK]": 0, "随机的字": 0, "不变": 0}
long_ids = np.full(10_000, 150, np.int32)
chosen, masked = Masking().apply(long_ids, np.ones(10_000, bool), mask_id, np.arange(200, 3000), generator)
treated["[MASK]"] = int((masked[chosen] == mask_id).sum())
treated["不变"] = int((masked[chosen] == 150).sum())
treated["随机的字"] = len(chosen) - treated["[MASK]"] - treated["不变"]
show(bars(list(treated), {"个数": list(treated.values())}, form=".0f", title=f"10,000 个词元，选中 {len(chosen)} 个"))
assert len(chosen) == 1500

# %% [markdown]
# ## 2 两个任务，两个头
#
# BERT 同时学 MLM 和 NSP（下一句预测）。两个头的参数很少：预测掩码的输出层与词嵌入**共用**权重。

# %%
encoder, heads = params("builtin/bert-mini-zh").parts.parts
for part in (encoder, *heads.parts):
    print(f"{part.name:20s} {part.count:>10,}")

# %% [markdown]
# ## 3 亲手预训练
#
# `configs/quick/pretrain.yaml`：两层、宽 64 的小 ERNIE，在样例评论上学 MLM 和 NSP。几十步远远不够学会中文，但损失已经在下降：先学会“常见字更可能”，再学上下文。

# %%
run = train(
    config("quick/pretrain"), training={"max_steps": 40}, logging={"detail": "light"}, run_dir="runs/08-pretrain"
)
show(learning_curves(read_json_lines(run.folder / "metrics.jsonl"), metrics=("accuracy", "nsp_accuracy")))
run

# %% [markdown]
# 附带的 `builtin/ernie-mini-zh` 用同样的代码，在多得多的文本上训练。往下都用它。
#
# ## 4 完形填空
#
# 掩码模型看得到左右两边，填空是它的本行：

# %%
fill = pipeline("fill-mask")
for sentence in ("味道很不[MASK]。", "电池不耐用，太[MASK]了。", "中国的首都是[MASK]京。"):
    best = fill(sentence, top_k=3)["masks"][0]["candidates"]
    print(sentence, {one["token_str"]: round(one["prob"], 3) for one in best})

# %% [markdown]
# ## 5 零样本分类
#
# 不训练分类器，也能判断褒贬：在评论后面加一句“真的很[MASK]。”，比较模型填褒义字与贬义字的概率。

# %%
GOOD, BAD = "好棒香美赞爽", "差烂坏糟难贵"


def lean(record):
    probs = {one["token_str"]: one["prob"] for one in record["masks"][0]["candidates"]}
    return sum(probs.get(word, 0) for word in GOOD) - sum(probs.get(word, 0) for word in BAD)


table = samples("sentiment", "test")
short = table[table["text"].str.len() <= 20].head(40)
scores = np.array([lean(record) for record in fill([f"{text}真的很[MASK]。" for text in short["text"]], top_k=100)])
is_positive = (short["label"] == "positive").to_numpy()
balanced = scores > np.median(scores)
print(
    f"40 条评论：直接判断 {np.mean((scores > 0) == is_positive):.2f}，以中位数为界 {np.mean(balanced == is_positive):.2f}"
)
assert np.mean(balanced == is_positive) > 0.5

# %% [markdown]
# 比乱猜好，比训练过的分类器差得多；而且模型天生偏爱“好”字，所以要换个门槛。提示语（“真的很”）换一种说法，结果就会变：这正是提示工程的起点。
#
# ## 6 改写
#
# 改写 = 选出可以替换的词，遮住，再填回**另一个**词；同时检查整句的意思没有变远（`similarity`）。

# %%
record = pipeline("rewrite")("这家酒店的房间非常干净，早餐也很丰富。", n_variants=3)
for variant in record["variants"]:
    print(f"{variant['similarity']:.3f}  {variant['marked']}")

# %% [markdown]
# 相似度高不等于事实没变：“早餐”换成“房间”，句子仍然通顺，意思却错了。改写的结果要由人来看。
#
# ## 练习
#
# **08-1** 写出 `expected(n_tokens)`：一段 `n_tokens` 个词元的文本，按 BERT 的规则，平均有多少个词元**在输入里真的变了样**（变成 `[MASK]` 或随机的字）？（假定随机的字不会碰巧相同。）


# %% tags=["exercise"]
def expected(n_tokens):
    return ...


check("08-1", expected)

# %% [markdown]
# 答案在 [solutions/08_预训练与改写.py](solutions/08_预训练与改写.py)。
#
# **探索**
#
# 1. 掩码比例改成 40%（`data={"masking": {"rate": 0.4}}`），损失为什么变高？高就是差吗？
# 2. 第 5 节换三种提示语，各得多少分？
# 3. 掩码模型能续写吗？让它一个字一个字填句末的 `[MASK]`，和 10 篇的因果模型比。
# 4. NSP 后来被 RoBERTa 去掉了。为什么它太容易？
#
# ## 在 AI Studio 上预训练
#
# 语料放在 `corpora`（文件、文件夹、压缩包都可以）：
#
# ```bash
# paddle-tasks train configs/pretrain-bert.yaml run_dir=runs/bert
# paddle-tasks train configs/pretrain-ernie.yaml run_dir=runs/ernie
# paddle-tasks train configs/sentiment.yaml model.encoder=runs/ernie/model run_dir=runs/sentiment-own
# ```
#
# 完整的配置：

# %%
print(config("pretrain-ernie").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - Devlin 等，[BERT](https://arxiv.org/abs/1810.04805) 与 Sun 等，[ERNIE](https://arxiv.org/abs/1904.09223)
# - Liu 等，[RoBERTa](https://arxiv.org/abs/1907.11692)：去掉 NSP
# - Schick 与 Schütze，[Exploiting Cloze Questions for Few-Shot Text Classification](https://arxiv.org/abs/2001.07676)：把分类变成填空
# - 本项目的[预训练](../docs/zh/pretraining.md)
