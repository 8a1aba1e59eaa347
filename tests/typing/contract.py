"""Checked by mypy and never run: every task fulfils the contract. A test compares the list with `tasks.names()`."""

from __future__ import annotations

from paddle_tasks.tasks.long_text.task import LongTextTask
from paddle_tasks.tasks.news.task import NewsTask
from paddle_tasks.tasks.novel.task import NovelTask
from paddle_tasks.tasks.opinion.task import OpinionTask
from paddle_tasks.tasks.pretrain.task import PretrainTask
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.tasks.similarity.task import SimilarityTask
from paddle_tasks.tasks.translate.task import TranslateTask
from paddle_tasks.tasks.word2vec.task import Word2VecTask
from paddle_tasks.training.capabilities import ExchangedTask, ExportableTask
from paddle_tasks.training.protocol import Task

long_text: type[Task] = LongTextTask
news: type[Task] = NewsTask
novel: type[Task] = NovelTask
opinion: type[Task] = OpinionTask
pretrain: type[Task] = PretrainTask
sentiment: type[Task] = SentimentTask
similarity: type[Task] = SimilarityTask
translate: type[Task] = TranslateTask
word2vec: type[Task] = Word2VecTask
EXCHANGED: type[ExchangedTask] = Word2VecTask
EXPORTABLE: list[type[ExportableTask]] = [
    LongTextTask,
    NewsTask,
    NovelTask,
    OpinionTask,
    SentimentTask,
    SimilarityTask,
    TranslateTask,
]
