# %% [markdown]
# # 07 CLUE 三任务与参数冻结
#
# **目标**：完成 CLUE 的三个任务——AFQMC（两句话意思相同吗）、IFLYTEK（长文本，一百多类）、TNEWS（短新闻，类别编号有空缺）；弄清长文本怎样截断、两句话怎样输入；比较冻结与全量微调的效果和代价。
#
# **用到的**：`train`（任务 similarity、long_text、news）、`report`、`check_data`、`inspect`。

# %%
from course import check, config, lines, samples, show
from paddle_tasks import inspect, load, report, train
from paddle_tasks.figures.learning import comparison
from paddle_tasks.figures.scores import bars
from paddle_tasks.files import read_json_lines

import numpy as np
import pandas as pd
import yaml

# %% [markdown]
# ## 1 三个任务
#
# 附带的样例是同样的格式，规模小得多。总分是三个任务正确率的**平均**：`report` 看到三个成绩都有时会自动算。

# %%
pd.DataFrame(
    {
        "CLUE": ["AFQMC", "IFLYTEK", "TNEWS"],
        "本项目的任务": ["similarity", "long_text", "news"],
        "样例": [len(samples(task)) for task in ("similarity", "long_text", "news")],
        "类别数": [samples(task)["label"].nunique() for task in ("similarity", "long_text", "news")],
    }
)

# %% [markdown]
# ### 有空缺的类别编号
#
# TNEWS 的编号是 100 到 116，但没有 105 和 111。直接拿编号减 100 当类别，输出层就会有两个永远没有样本的类；忘了减，索引就越界。正确的做法是**按出现的编号建表**：

# %%
tnews = yaml.safe_load(config("news-tnews").read_text(encoding="utf-8"))["data"]["label_names"]
print("空缺：", sorted(set(range(min(tnews), max(tnews) + 1)) - set(tnews)))
print("类别：", {number: (label, tnews[label]) for number, label in enumerate(sorted(tnews)[4:8], start=4)})
assert len(tnews) == 15

# %% [markdown]
# ## 2 两句话怎样输入
#
# 拼成一句：`[CLS] 甲 [SEP] 乙 [SEP]`。BERT 用**句段编号**区分甲、乙，它和词、位置的嵌入相加。

# %%
pairs = samples("similarity")
print(pairs.head(3).to_string())
found = inspect("builtin/ernie-mini-zh", pairs["text_a"][0], pairs["text_b"][0])
print(found.tokens)
print(found.steps.token_type_ids)

# %% [markdown]
# 训练一个一层的小 BERT。样例只有一百多对，先看流程：

# %%
LIGHT = {"logging": {"detail": "light"}}
similarity = train(config("quick/similarity"), **LIGHT, run_dir="runs/07-similarity")
similarity

# %% [markdown]
# ## 3 长文本：截掉哪一段
#
# BERT 最多读 512 个词元，显存也不允许更长。`data.truncation` 有四种办法：`head` 只留开头，`tail` 只留结尾，`head_tail` 两头各留一些，`windows` 分成几段都读再合并。先看看文本有多长：

# %%
lengths = samples("long_text")["text"].str.len()
limits = range(32, 385, 32)
whole = [float((lengths <= limit).mean()) for limit in limits]
kept = [float(np.minimum(lengths, limit).sum() / lengths.sum()) for limit in limits]
curves = {"完整读入的文本": whole, "读入的字": kept}
show(lines(limits, curves, "max_length 取多少", ("max_length（字）", "比例")))

# %% [markdown]
# ## 4 冻结与全量微调
#
# 课程的作业：BERT 的池化向量 → Linear(768, 200) → ReLU → dropout → Linear(200, 类别数)，在配置里是 `model.head=course`。
#
# - **全量微调**：所有参数都更新。
# - **冻结**：`training.freeze: [encoder.*]`，只训练池化层和分类头。编码器的输出不再改变，本项目只算一次并缓存，80 轮也很快。


# %%
def fit(name, epochs, freeze, rate):
    training = {"epochs": epochs, "max_length": 48, "batch_size": 24, "freeze": freeze}
    optimizer = {"learning_rate": rate, "learning_rates": {}}
    return train(config("long_text"), **LIGHT, training=training, optimizer=optimizer, run_dir=f"runs/07-{name}")


runs = {"全量，4 轮": fit("full", 4, [], 1e-3), "冻结，40 轮": fit("frozen", 40, ["encoder.*"], 3e-3)}
accuracy = [run.result["test"]["accuracy"] for run in runs.values()]
show(bars(list(runs), {"测试集正确率": accuracy}))

# %%
show(comparison({name: read_json_lines(run.folder / "metrics.jsonl") for name, run in runs.items()}))

# %% [markdown]
# 代价呢？下表读自各自的 `result.json`。冻结的轮数是全量的十倍，每一步却便宜得多。

# %%
facts = {name: run.result["train"] for name, run in runs.items()}
pd.DataFrame(
    {name: {key: fact[key] for key in ("epochs", "optimizer_steps", "seconds")} for name, fact in facts.items()}
)

# %% [markdown]
# 讲义在 IFLYTEK 上的观察是：全部训练几轮就明显超过冻结训练八十轮，而冻结的曲线在八十轮时**还在上升**。样例只有几十条，上面的全量微调也只更新了十几步，所以冻结并不吃亏，甚至更好：可学的参数少，不容易过拟合。数据多了，结论会反过来——谁更好要在自己的数据上比，还要给两边足够的步数。
#
# ## 5 短新闻，与总分
#
# 第三个任务。`configs/quick/news.yaml` 是一个小的 TextCNN。

# %%
news = train(config("quick/news"), **LIGHT, training={"epochs": 10}, run_dir="runs/07-news")
scores = {"AFQMC": similarity, "IFLYTEK": runs["全量，4 轮"], "TNEWS": news}
values = {name: run.result["test"]["accuracy"] for name, run in scores.items()}
print({name: round(value, 4) for name, value in values.items()}, "平均", round(np.mean(list(values.values())), 4))

# %% [markdown]
# 这些是**样例**上的分数，不能与 CLUE 榜单相比；`report` 会注意到数据不同，并说明为什么不可比。

# %%
report([run.folder for run in scores.values()])

# %%
load("builtin/news")("六亿年前的胚胎化石揭开动物起源之谜", top_k=3)

# %% [markdown]
# ## 练习
#
# **07-1** 写出 `label_table(labels)`：`labels` 是训练集里的类别编号（整数列表，有重复、有空缺、无序）。返回一个字典：编号 → 0 开始的**连续**类别，按编号从小到大。


# %% tags=["exercise"]
def label_table(labels):
    return ...


check("07-1", label_table)

# %% [markdown]
# 答案在 [solutions/07_CLUE三任务与参数冻结.py](solutions/07_CLUE三任务与参数冻结.py)。
#
# **探索**
#
# 1. 只解冻最上面一层：`freeze` 该怎样写？（用 `paddle-tasks params builtin/ernie-mini-zh` 看参数名。）
# 2. `data.truncation` 的四种办法各得多少分？类别的线索在开头还是结尾？
# 3. 把句对甲、乙对调，答案会变吗？`data.both_orders` 做了什么？
# 4. AFQMC 的两类不均衡，全猜“不同”有多少正确率？该看哪个指标？
#
# ## 在 AI Studio 上训练完整的模型
#
# 作业自己的设置：`bert-base-chinese`，长度 200，Adam 1e-5，768 → 200 → 119。`$A`、`$I`、`$T` 是三个数据集的文件夹。
#
# ```bash
# paddle-tasks train configs/similarity.yaml data.train=$A/train.json data.dev=$A/dev.json data.test=null model.encoder=bert-base-chinese optimizer.learning_rate=2e-5
# paddle-tasks train configs/long_text.yaml data.train=$I/train.json data.dev=$I/dev.json data.test=null model.encoder=bert-base-chinese model.pooling=cls training.max_length=200 training.epochs=5 optimizer.learning_rate=1e-5 'optimizer.learning_rates={}' run_dir=runs/iflytek-full
# paddle-tasks train configs/long_text-frozen.yaml data.train=$I/train.json data.dev=$I/dev.json data.test=null model.encoder=bert-base-chinese model.pooling=cls training.max_length=200 training.epochs=80 optimizer.learning_rate=1e-5 run_dir=runs/iflytek-frozen
# paddle-tasks train configs/news-tnews.yaml data.train=$T/train.json data.dev=$T/dev.json model.encoder=bert-base-chinese optimizer.learning_rate=2e-5
# ```
#
# 完整的配置：

# %%
print(config("long_text-frozen").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - Xu 等，[CLUE: A Chinese Language Understanding Evaluation Benchmark](https://arxiv.org/abs/2004.05986)
# - Peters 等，[To Tune or Not to Tune?](https://arxiv.org/abs/1903.05987)：冻结还是微调
# - Sun 等，[How to Fine-Tune BERT for Text Classification?](https://arxiv.org/abs/1905.05583)：长文本的截断
# - 本项目的[句对相似度](../docs/zh/similarity.md)、[长文本分类](../docs/zh/long-texts.md)、[新闻分类](../docs/zh/news.md)与[训练选项](../docs/zh/options.md)
