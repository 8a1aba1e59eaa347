# %% [markdown]
# # 00 环境与数据
#
# **目标**：确认环境能用；认识本课程的工具和样例数据；学会在训练之前先检查数据。
#
# **怎样打开这些 Notebook**：在项目的 `notebooks` 文件夹里启动 Jupyter（`cd notebooks`），这样才找得到 `course.py` 和 `checks.py`。每一篇都可以单独运行，不联网，在两核的笔记本电脑上几十秒内跑完。训练产生的文件都在当前文件夹的 `runs/` 里，删掉即可重来。
#
# **用到的**：`load`、`check_data`、`train`；命令行的 `paddle-tasks doctor`。

# %%
from course import check, config, lines, samples, show
from paddle_tasks import check_data, load, train
from paddle_tasks.doctor.installation import check_python, check_versions
from paddle_tasks.figures.scores import bars
from paddle_tasks.workflows.catalogue import catalogue

import pandas as pd

# %% [markdown]
# ## 1 环境
#
# 每一篇都**先导入 `course` 和 `paddle_tasks`，再导入 `paddle`**：线程数和 CPU 指令集要在 Paddle 加载之前设好。
#
# 出了问题先问 `paddle-tasks doctor`：它逐项检查版本、显卡、线程、网络和缓存，每个问题都附上解决它的命令。这里只运行其中最快的两项。

# %%
for finding in (check_python(), check_versions()):
    print(f"[{finding.status}] {finding.name}：{finding.message}")
    assert finding.status != "fail"

# %% [markdown]
# ## 2 一分钟看懂这个项目
#
# 每份作业 = 一个**任务** + 一个 YAML **配置**。下面是全部任务：

# %%
print("任务：", "、".join(catalogue("tasks")["tasks"]))
print("样例数据：", "、".join(catalogue("data")["data"]))

# %% [markdown]
# 已经训练好的模型，一行就能用。`load` 的结果在 Notebook 里带颜色：

# %%
load("builtin/sentiment")(["房间干净，就是早餐太差了", "太好吃了，下次还来"])

# %% [markdown]
# 命令行是同样的函数：
#
# ```bash
# paddle-tasks predict sentiment "房间干净，就是早餐太差了" --explain
# ```
#
# ## 3 数据长什么样
#
# 监督学习的数据就是表格：一列文本，一列标签。三份文件各有用处——**训练集**用来学，**验证集**用来选（哪一轮、哪个学习率），**测试集**只在最后看一次。

# %%
splits = {split: samples("sentiment", split) for split in ("train", "dev", "test")}
print({split: len(table) for split, table in splits.items()})
splits["train"].head(5)

# %% [markdown]
# 先看两张图再训练。第一张：标签均衡吗？（如果九成是好评，总猜“好评”就有 90% 的正确率。）

# %%
counts = {
    label: [int((table["label"] == label).sum()) for table in splits.values()] for label in ("positive", "negative")
}
show(bars(list(splits), counts, form=".0f", title="标签"))

# %% [markdown]
# 第二张：文本多长？它决定 `training.max_length`：太短会截掉内容，太长浪费计算。

# %%
lengths = splits["train"]["text"].str.len()
covered = [float((lengths <= limit).mean()) for limit in range(10, 130, 10)]
show(lines(range(10, 130, 10), {"": covered}, "不被截断的评论所占比例", ("max_length（字）", "比例")))
print(f"中位数 {lengths.median():.0f} 字，95% 的评论不超过 {lengths.quantile(0.95):.0f} 字，最长 {lengths.max()} 字")

# %% [markdown]
# ## 4 坏数据
#
# 真实的数据总有问题。下面故意造一份坏的：空文本、漏掉的标签、重复的行、**同一句话两个标签**、**测试集的句子混进了训练集**。`check_data` 会一一指出来。

# %%
good = splits["train"].head(50)[["label", "text"]]
leaked, twice = splits["test"].head(3)[["label", "text"]], good.head(4)
flipped = good.head(2).assign(label=["positive", "positive"])
broken = pd.DataFrame({"label": ["", "negative"], "text": ["标签呢？", ""]})
pd.concat([good, leaked, twice, flipped, broken]).to_csv("broken.tsv", sep="\t", index=False)
found = check_data("sentiment", {"train": "broken.tsv", "test": "builtin/sentiment"})
assert found["leaked_texts"]["test"] == 3
found

# %% [markdown]
# 最危险的是**泄漏**：模型背下了测试题，分数虚高，自己却看不出来。本项目的成绩单因此总附上一个“去掉与训练集重复的文本”的分数。
#
# ## 5 第一次训练
#
# `configs/quick/sentiment.yaml` 从零训练一个很小的卷积网络。训练中断了也不要紧，再运行同一格会从断点继续；已经跑完的不会重跑。

# %%
run = train(config("quick/sentiment"), training={"epochs": 1}, run_dir="runs/00-first")
run

# %% [markdown]
# 运行目录里有什么：`config.yaml` 是完整的配置，`result.json` 是成绩与环境，`metrics.jsonl` 是曲线，`predictions/errors.jsonl` 是错误，`model/` 是最好的模型。

# %%
print(sorted(path.name for path in run.folder.iterdir() if not path.name.startswith(".")))
run.errors[["gold", "predicted", "text"]].head(3)

# %% [markdown]
# ## 练习
#
# **00-1** 写出 `leaked(train, test)`：两个字符串列表；返回测试集里有多少**行**也出现在训练集中。比较之前去掉首尾空白。测试集里重复的行要数两次。


# %% tags=["exercise"]
def leaked(train, test):
    return ...


check("00-1", leaked)

# %% [markdown]
# 答案在 [solutions/00_环境与数据.py](solutions/00_环境与数据.py)。
#
# **探索**
#
# 1. 对你自己的数据运行 `check_data`，先猜会有哪些问题，再看报告。
# 2. 近似重复（只差一个标点）算不算泄漏？怎样找出来？
# 3. 把 `training={"epochs": 1}` 改成 `{"epochs": 3}` 再运行那一格，程序说了什么？为什么它不肯覆盖？
#
# ## 在 AI Studio 上
#
# 建一个 GPU 项目，在终端里运行一次：
#
# ```bash
# git clone <本仓库> && cd paddle_tasks
# make demo VENV=
# paddle-tasks doctor
# ```
#
# `VENV=` 表示用 AI Studio 自带的 Python 和 GPU 版 Paddle。之后在 Notebook 的第一格写 `%cd ~/paddle_tasks/notebooks`。第一个完整的训练：
#
# ```bash
# paddle-tasks train configs/sentiment.yaml training.precision=float16 run_dir=runs/sentiment
# ```
#
# 完整的配置：

# %%
print(config("quick/sentiment").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - 本项目的[使用自己的数据](../docs/zh/your-own-data.md)与[命令](../docs/zh/commands.md)
# - Kaufman 等，[Leakage in Data Mining](https://doi.org/10.1145/2382577.2382579)：各种各样的泄漏
# - [PaddlePaddle 文档](https://www.paddlepaddle.org.cn/documentation/docs/zh/guides/index_cn.html)
