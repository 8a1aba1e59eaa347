# %% [markdown]
# # 06 观点抽取
#
# **目标**：完成第四周的作业——从评论里找出**方面词**（评价的是什么）、**观点词**（怎么评价），把它们配成对并判断褒贬；从检查数据、训练、比较、分析错误，到写出报告。
#
# **用到的**：`check_data`、`train`、`report`、`load`；BIO 标签、BiLSTM、CRF。
#
# 只要从头运行到尾，作业就完成了：最后一节生成带成绩表的报告。还没有安装？在项目的文件夹里运行 `make install`，再看 [00](00_环境与数据.ipynb)。

# %%
from course import check, config, show, stored_result
from paddle_tasks import check_data, load, report, train
from paddle_tasks.data.tables.catalogue import locate
from paddle_tasks.figures.learning import learning_curves
from paddle_tasks.figures.matrices import matrix
from paddle_tasks.figures.scores import bars
from paddle_tasks.files import read_json_lines
from paddle_tasks.metrics.spans import SpanMetrics
from paddle_tasks.models.chain import allowed_transitions
from paddle_tasks.text.spans import Span, encode, tag_names

import json
import re
from pathlib import Path
import numpy as np
import pandas as pd

# %% [markdown]
# ## 1 先看任务
#
# 随项目附带的模型已经会做这件事。看一眼我们要达到的目标：

# %%
opinions = load("builtin/opinion")
opinions("房间干净，就是早餐太差了")

# %% [markdown]
# ## 2 再看数据
#
# 每条样例是一行 JSON：`spans` 是片段（从第几个字到第几个字，左闭右开），`pairs` 说明哪个方面词配哪个观点词，以及褒贬。`aspect` 为 null 表示没有明说（“太贵了”——什么太贵？）。

# %%
rows = read_json_lines(locate("builtin/opinion", "train"))
print(json.dumps(rows[0], ensure_ascii=False))
for row in rows[:3]:
    print(row["text"], [(row["text"][span["start"] : span["end"]], span["label"]) for span in row["spans"]])

# %% [markdown]
# 训练之前，先让程序检查数据：有没有错位的片段、重复的评论、从训练集漏进测试集的评论。

# %%
check_data("opinion", {"train": "builtin/opinion", "dev": "builtin/opinion", "test": "builtin/opinion"})

# %% [markdown]
# ## 3 把片段变成标签：BIO
#
# 模型给**每个字**打一个标签：`B-` 是片段的第一个字，`I-` 是片段里后面的字，`O` 不属于任何片段。抽取片段就变成了序列标注。

# %%
LABELS = ("aspect", "opinion")
row = rows[0]
offsets = np.array([[place, place + 1] for place in range(len(row["text"]))], np.int32)
spans = [Span(span["start"], span["end"], span["label"]) for span in row["spans"]]
tags = encode(spans, offsets, LABELS)
pd.DataFrame({"字": list(row["text"]), "标签": [tag_names(LABELS)[tag] for tag in tags]}).T

# %% [markdown]
# ### 为什么要 CRF
#
# 如果每个字单独选分数最高的标签，可能出现“`O` 后面跟着 `I-aspect`”这种不成立的序列。CRF 再给**相邻两个标签**打分，选总分最高的一整条路径。下图是本项目的规则：灰色的转移不允许，其余的分数由训练学得。

# %%
names = tag_names(LABELS)
allowed = allowed_transitions(len(LABELS))
show(matrix(np.where(allowed, 1, np.nan), names, names, "允许的转移：从行到列", numbers=False))
assert not allowed[names.index("O"), names.index("I-aspect")]

# %% [markdown]
# ## 4 训练：BiLSTM + CRF
#
# `configs/quick/opinion.yaml` 是一个从零开始的小网络：字向量 → 双向 LSTM → CRF，另有一个输出层给方面词与观点词配对。

# %%
QUICK = {"training": {"max_steps": 90}, "logging": {"detail": "light"}}
run = train(config("quick/opinion"), **QUICK, run_dir="runs/opinion-crf")
run

# %%
records = read_json_lines(run.folder / "metrics.jsonl")
show(learning_curves(records, metrics=("f1", "triplet_f1")))

# %% [markdown]
# ## 5 比较：没有网络，没有 CRF
#
# 先问：不用神经网络能做到多少？最简单的办法是**词典**：把训练集里标过的词记下来，在新评论里凡是出现就抽出来。


# %%
def look_up(text):
    return [Span(found.start(), found.end(), label) for word, label in seen for found in re.finditer(word, text)]


marked = [(row["text"][span["start"] : span["end"]], span["label"]) for row in rows for span in row["spans"]]
seen = {(re.escape(word), label) for word, label in marked}
test = read_json_lines(locate("builtin/opinion", "test"))
gold = [[Span(span["start"], span["end"], span["label"]) for span in row["spans"]] for row in test]
lexicon = SpanMetrics(LABELS)
lexicon.update(gold, [look_up(row["text"]) for row in test])
print({name: round(lexicon.result()[name], 3) for name in ("precision", "recall", "f1")})

# %% [markdown]
# 再去掉 CRF 的转移分数（`model.head=linear`，解码仍然不会给出不成立的序列）。一次只改一处，才知道变化从哪里来。

# %%
linear = train(config("quick/opinion"), **QUICK, model={"head": "linear"}, run_dir="runs/opinion-linear")
results = {"BiLSTM + CRF": run.result["test"], "BiLSTM": linear.result["test"], "词典": lexicon.result()}
scores = {name: [one[name] for one in results.values()] for name in ("precision", "recall", "f1")}
show(bars(list(results), {"精确率": scores["precision"], "召回率": scores["recall"], "片段 F1": scores["f1"]}))
assert scores["f1"][0] > scores["f1"][1]

# %% [markdown]
# ## 6 观察：错在哪里
#
# 分数之后，一定要看错误。`predictions/errors.jsonl` 把每个错误的片段归类：`boundary` 边界不对，`type` 类别不对，`missed` 漏了，`spurious` 多抽了。

# %%
kinds = run.errors["kind"].value_counts()
show(bars(list(kinds.index), {"个数": list(kinds)}, title="错误的种类", form=".0f", kind="kind"))
errors = run.errors.head(6)
sides = {side: [span["text"] if span else "" for span in errors[side]] for side in ("gold", "predicted")}
pd.DataFrame({"种类": errors["kind"], "标注": sides["gold"], "预测": sides["predicted"], "评论": errors["text"]})

# %% [markdown]
# 写观察时可以回答这些问题：
#
# - 漏抽和多抽哪个多？把阈值调低会怎样？
# - 边界错误多错在哪一头？（“很好”该标“很好”还是“好”？看看标注规则：不含“很、非常、挺”。）
# - 200 条评论里没出现过的词，模型能抽出来吗？用下一格数一数。

# %%
words = {word for word, _ in marked}
predictions = read_json_lines(run.folder / "predictions" / "test.jsonl")
found = [{(span["start"], span["end"], span["label"]) for span in record["predicted"]} for record in predictions]
hits = pd.DataFrame(
    {
        "见过": test[row]["text"][span.start : span.end] in words,
        "抽对": (span.start, span.end, span.label) in found[row],
    }
    for row, spans in enumerate(gold)
    for span in spans
)
hits.groupby("见过")["抽对"].agg(["size", "mean"]).round(3)

# %% [markdown]
# ## 7 换成预训练模型
#
# 附带的观点模型是 ERNIE + BiLSTM + CRF，**用的是同样的训练评论**，差别只在编码器预训练过。它的成绩保存在自己的 `result.json` 里；`configs/opinion.yaml` 是它的配置。

# %%
stored = stored_result("opinion")
print("训练数据", stored["data"]["train"]["rows"], "行")
names = ("precision", "recall", "f1", "triplet_f1")
print("测试集", {name: round(stored["test"][name], 3) for name in names})
opinions(["电池不耐用，不过屏幕清晰，拍照也还行。", "太贵了！", "服务员态度好得没话说"])

# %% [markdown]
# ## 8 报告
#
# `report` 把运行目录汇成一张表，连同数据、步数和种子。下一格还把它存成 `opinion-report.md`：把第 6 节的观察写进去，就可以交作业了。命令行的 `paddle-tasks report runs/* --html report.html` 得到一个带图、可以离线打开的网页。

# %%
homework = report("runs")
Path("opinion-report.md").write_text(homework.markdown, encoding="utf-8")
homework

# %% [markdown]
# ## 练习
#
# **06-1** 写出 `f1(gold, predicted)`：两个集合，元素是 `(开始, 结束, 类别)`。片段必须**完全相同**才算对。精确率 = 对的 ÷ 预测的，召回率 = 对的 ÷ 标注的，F1 是两者的调和平均；一个都没对时返回 0。


# %% tags=["exercise"]
def f1(gold, predicted):
    return ...


check("06-1", f1)

# %% [markdown]
# 答案在 [solutions/06_观点抽取.py](solutions/06_观点抽取.py)。
#
# **探索**
#
# 1. 把 `max_steps` 改成 120（`configs/quick/opinion.yaml` 的全部 12 轮），CRF 与线性层的差距变大还是变小？
# 2. 片段 F1 与三元组 F1 差多少？差距来自片段，还是来自配对和褒贬？
# 3. 用自己的话写五条评论，让附带的模型抽取；再写五条反话。
# 4. 标注十条自己的评论（doccano 导出即可），用 `evaluate` 给附带的模型打分。
#
# ## 在 AI Studio 上训练完整的模型
#
# ```bash
# paddle-tasks train configs/opinion.yaml model.encoder=ernie-3.0-medium-zh optimizer.learning_rate=5e-5 training.epochs=30 run_dir=runs/opinion
# paddle-tasks report runs/opinion --html report.html
# ```
#
# 完整的配置：

# %%
print(config("opinion").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - Huang 等，[Bidirectional LSTM-CRF Models for Sequence Tagging](https://arxiv.org/abs/1508.01991)
# - Lample 等，[Neural Architectures for Named Entity Recognition](https://arxiv.org/abs/1603.01360)
# - Peng 等，[Knowing What, How and Why: A Near Complete Solution for Aspect-based Sentiment Analysis](https://arxiv.org/abs/1911.01616)：三元组抽取
# - 本项目的[观点抽取](../docs/zh/opinion.md)：数据格式、评分、阈值
