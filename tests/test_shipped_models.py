"""Shipped models: small, complete, described in their cards, readable by PaddleNLP, and as good as measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import paddle
import pytest
from safetensors.numpy import load_file

from paddle_tasks.data.corpus.documents import CorpusSection, Document, read_documents
from paddle_tasks.data.tables.catalogue import SAMPLES
from paddle_tasks.inference.model_card import cards
from paddle_tasks.inference.pipelines import load_layer, pipeline
from paddle_tasks.inference.stages import STAGES
from paddle_tasks.metrics.spans import SpanMetrics
from paddle_tasks.metrics.translation import corpus_bleu
from paddle_tasks.models.masked_lm import load_masked_lm
from paddle_tasks.models.pretrained.loading import ASSETS
from paddle_tasks.text.copied_text import KnownTexts
from paddle_tasks.text.spans import Span
from paddle_tasks.text.tokenizer import Tokenizer

from .helpers import DATA

MODELS = sorted(folder for folder in ASSETS.glob("*") if folder.is_dir())
LANGUAGE_MODELS = [folder for folder in MODELS if folder.name.endswith("-mini-zh")]
MEGABYTE = 1_000_000
PUBLIC_TEXTS = {
    "ChnSentiCorp": {"path": "sentiment/chnsenticorp/test.tsv", "columns": ["text_a"]},
    "THUCNews titles": {"path": "news/thucnews_titles/test.txt", "format": "tsv", "columns": [0]},
    "restaurant reviews": {
        "path": "opinion/restaurant_aste/test.txt",
        "format": "tsv",
        "separator": "####",
        "columns": [0],
        "spaced": True,
    },
}

_PROBABILITY = re.compile(r"\b[01]\.\d\d\b|\d+\.\d%")

each_model = pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
each_language_model = pytest.mark.parametrize("folder", LANGUAGE_MODELS, ids=lambda folder: folder.name)


def test_all_of_them_are_small():
    assert MODELS
    assert sum(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) < 11.5 * MEGABYTE * len(MODELS)


@each_model
def test_its_weights_are_half_precision_and_small(folder: Path):
    path = folder / "model.safetensors"
    assert path.stat().st_size < 12 * MEGABYTE
    for array in load_file(path).values():
        assert array.dtype == np.float16
        assert np.isfinite(array).all()


@each_model
@pytest.mark.long
def test_its_card_describes_its_stages(folder: Path):
    for file, expected in cards(folder).items():
        found = (folder / file).read_text(encoding="utf-8")
        # Other processors differ in the last digits of probabilities.
        assert _PROBABILITY.sub("p", found) == _PROBABILITY.sub("p", expected), f"write_cards({folder.name!r})"
    for stage in json.loads((folder / STAGES).read_text(encoding="utf-8")):
        sources = stage["config"]["data"]["train"]
        assert all(source["origin"] for source in sources if isinstance(source, dict))


@each_model
def test_its_files_contain_no_absolute_path(folder: Path):
    for path in folder.iterdir():
        if path.suffix in (".json", ".md"):
            assert not re.search(r"[\"' (]/\w+/", path.read_text(encoding="utf-8")), path


@each_language_model
def test_paddlenlp_gives_the_same_answers(folder: Path):
    from paddlenlp import transformers

    kind = {"bert": "Bert", "ernie": "Ernie"}[folder.name.partition("-")[0]]
    theirs = getattr(transformers, f"{kind}ForMaskedLM").from_pretrained(str(folder), dtype="float32")
    ours = load_masked_lm(str(folder))
    ids = paddle.to_tensor(np.random.default_rng(0).integers(5, 5000, (2, 20)))
    theirs.eval()
    ours.eval()
    with paddle.no_grad():
        expected = theirs(ids)
        expected = expected[0] if isinstance(expected, tuple) else expected
        found = ours(ids, paddle.zeros_like(ids), paddle.full([2], 20, "int64"), paddle.arange(40))
    np.testing.assert_allclose(found.numpy(), expected.reshape([40, -1]).numpy(), atol=1e-4)


@each_language_model
def test_it_predicts_common_words(folder: Path):
    answers = pipeline("fill-mask", model=str(folder))(["他在北[MASK]大学读书。", "这家酒店的服[MASK]很好。"])
    assert [answer["masks"][0]["candidates"][0]["token"] for answer in answers] == ["京", "务"]


@pytest.mark.long
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no public data in {DATA}")
@each_language_model
@pytest.mark.parametrize("name", PUBLIC_TEXTS)
def test_few_tokens_are_unknown(folder: Path, name: str):
    tokenizer = Tokenizer.load(folder)
    documents = read_documents(CorpusSection.model_validate_json(json.dumps(PUBLIC_TEXTS[name])), DATA)
    lines = [line for document in documents if isinstance(document, Document) for line in document.lines]
    packed = tokenizer.encode_packed(lines, max_length=4000)
    n_tokens = packed.lengths.sum() - 2 * len(lines)
    assert (packed.input_ids == tokenizer.unk_id).sum() / n_tokens <= 0.0005


# ---- the sentiment model


def test_the_sentiment_model_answers_by_name():
    answer = pipeline("sentiment")("房间干净，就是早餐太差了")
    assert answer["label"] == "negative"
    assert sum(answer["probabilities"].values()) == pytest.approx(1.0)
    assert [found["label"] for found in pipeline("sentiment")(["服务态度差到极点", "便宜又好用，会回购"])] == [
        "negative",
        "positive",
    ]


def test_it_classifies_the_sample_reviews_of_the_test_split():
    rows = [line.split("\t") for line in (SAMPLES / "sentiment/test.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    answers = pipeline("sentiment")([text for _, _, text in rows])
    right = [answer["label"] == label for answer, (label, _, _) in zip(answers, rows, strict=True)]
    assert np.mean(right) > 0.82
    assert len(rows) > 600


@pytest.mark.long
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no public data in {DATA}")
def test_the_sentiment_model_has_the_score_of_its_card():
    stage = json.loads((ASSETS / "sentiment" / STAGES).read_text(encoding="utf-8"))[-1]
    lines = (DATA / "sentiment/chnsenticorp/test.tsv").read_text(encoding="utf-8").splitlines()[1:]
    labels, texts = zip(*(line.split("\t", 1) for line in lines), strict=True)
    gold = [{"1": "positive", "0": "negative"}[label] for label in labels]
    right = [answer["label"] == label for answer, label in zip(pipeline("sentiment")(list(texts)), gold, strict=True)]
    assert np.mean(right) == pytest.approx(stage["test"]["accuracy"], abs=1e-3)


# ---- the news model


def test_the_news_model_answers_by_name():
    found = pipeline("news")(["高考报名今日开始 各地考生注意时间", "A股三大指数集体收涨 创业板指涨超2%"])
    assert [answer["label"] for answer in found] == ["education", "stocks"]
    assert [len(answer["probabilities"]) for answer in found] == [10, 10]


def test_it_classifies_the_sample_headlines_of_the_test_split():
    rows = [line.split("\t") for line in (SAMPLES / "news/test.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    answers = pipeline("news")([text for _, text in rows])
    assert np.mean([answer["label"] == label for answer, (label, _) in zip(answers, rows, strict=True)]) > 0.7
    assert len(rows) == 120


@pytest.mark.long
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no public data in {DATA}")
def test_the_news_model_has_the_score_of_its_card():
    stage = json.loads((ASSETS / "news" / STAGES).read_text(encoding="utf-8"))[-1]
    folder = DATA / "news/thucnews_titles"
    names = (folder / "class.txt").read_text(encoding="utf-8").split()
    lines = (folder / "test.txt").read_text(encoding="utf-8").splitlines()
    texts, numbers = zip(*(line.rsplit("\t", 1) for line in lines), strict=True)
    answers = pipeline("news")(list(texts))
    right = [answer["label"] == names[int(number)] for answer, number in zip(answers, numbers, strict=True)]
    assert np.mean(right) == pytest.approx(stage["test"]["accuracy"], abs=5e-4)


# ---- the opinion model


def test_the_opinion_model_answers_by_name():
    answers = pipeline("opinion")(["房间干净，就是早餐太差了", "手机屏幕很清晰，电池不耐用"])
    triplets = [[(t["aspect"]["text"], t["opinion"]["text"], t["polarity"]) for t in a["triplets"]] for a in answers]
    assert triplets == [
        [("房间", "干净", "positive"), ("早餐", "太差", "negative")],
        [("手机屏幕", "清晰", "positive"), ("电池", "不耐用", "negative")],
    ]


def test_the_opinion_model_has_the_score_of_its_card():
    stage = json.loads((ASSETS / "opinion" / STAGES).read_text(encoding="utf-8"))[-1]
    rows = [json.loads(line) for line in (SAMPLES / "opinion/test.jsonl").read_text(encoding="utf-8").splitlines()]
    metrics = SpanMetrics(["aspect", "opinion"])
    answers = pipeline("opinion")([row["text"] for row in rows])
    metrics.update([spans_of(row) for row in rows], [spans_of(answer) for answer in answers])
    assert metrics.result()["f1"] == pytest.approx(stage["test"]["f1"], abs=5e-3)
    assert stage["test"]["f1"] > 0.85


def spans_of(record) -> list[Span]:
    return [Span(span["start"], span["end"], span["label"]) for span in record["spans"]]


# ---- the novel model


def test_the_novel_model_writes_without_copying():
    model = pipeline("text-generation")
    known = KnownTexts(path.read_text(encoding="utf-8") for path in SAMPLES.glob("novel/*.txt"))
    (text,) = (output["text"] for output in model("话说宝玉", seed=1)["outputs"])
    assert len(text) == 200
    assert np.subtract(*known.find(text).longest()[::-1]) < 12
    assert not model.needs_paddle


def test_the_novel_model_expects_the_words_of_old_novels():
    model = pipeline("novel")
    found = model("却说", max_new_tokens=1, do_sample=False)["outputs"][0]["score"]
    begun = ("未知性命如", "说时迟，那时", "三十六计，走为上")
    assert [model(text, max_new_tokens=1, do_sample=False)["outputs"][0]["text"] for text in begun] == [
        "何",
        "快",
        "策",
    ]
    assert found < 0


@pytest.mark.long
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no public data in {DATA}")
def test_the_novel_model_has_the_score_of_its_card():
    stage = json.loads((ASSETS / "novel" / STAGES).read_text(encoding="utf-8"))[-1]
    model = load_layer("novel", device="cpu")
    data = model.task.config.data.model_copy(update={"folder": str(DATA / "novels")})
    model.task.config = model.task.config.model_copy(update={"data": data})
    split = model.task.load_split("dev")
    metrics = model.task.score_characters(model.model, split, lambda: None).metrics()
    assert metrics["perplexity"] == pytest.approx(stage["dev"]["perplexity"], rel=1e-3)


# ---- the translation model


def test_the_translation_model_translates_plain_sentences():
    model = pipeline("translate")
    texts = ("太守闻之，遣人问其故。", "上闻之大怒，遂斩之。", "后数岁，病卒，年六十二。")
    found = [record["outputs"][0]["text"] for record in model(texts)]
    for text, words in zip(found, (("听说", "派人"), ("皇上", "大怒"), ("过了几年", "六十二岁")), strict=True):
        assert all(word in text for word in words), text
    assert not model.needs_paddle


@pytest.mark.long
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no public data in {DATA}")
def test_the_translation_model_has_the_score_of_its_card():
    stage = json.loads((ASSETS / "translate" / STAGES).read_text(encoding="utf-8"))[-1]
    model = load_layer("translate", device="cpu")
    split = model.task.load_split("dev", str(DATA / "translation" / "dev.tsv.gz"))
    outputs = pipeline("translate")([pair.source for pair in split.examples], num_beams=1)
    pairs = [(record["outputs"][0]["text"], pair.target) for record, pair in zip(outputs, split.examples, strict=True)]
    bleu = corpus_bleu(*map(list, zip(*pairs, strict=True))).score
    assert bleu == pytest.approx(stage["dev"]["bleu"], abs=0.1)
