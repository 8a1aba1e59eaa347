"""What a model says while it computes is in the language of the request, not in that of the service."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from paddle_tasks import language
from paddle_tasks.errors import DataError
from paddle_tasks.language import _

from .serving import PATIENCE, Client, Pieces, Writer, WritingModel, running, served

ENGLISH, CHINESE = "the text is blank", "文本为空"
LANGUAGES = {"en": ENGLISH, "zh": CHINESE}


class Refusing(Writer):
    """Refuses the text ``no`` while it computes, and after two characters of a stream."""

    def answer(self, texts: Sequence[str], **options: Any) -> list[dict[str, Any]]:
        records = super().answer(texts, **options)
        refuse(texts)
        return records


class RefusingPieces(Pieces):
    def __next__(self) -> str:
        if len(self.written) == 2:
            refuse([self._text])
        return super().__next__()


class RefusingModel(WritingModel):
    def stream(self, text: str, options: Any) -> Any:
        if text == "early no":
            refuse(["no"])
        return RefusingPieces(self.pipeline, text, options.get("max_new_tokens", 5))


def refuse(texts: Sequence[str]) -> None:
    if "no" in texts:
        raise DataError(_("the text is blank"))


@pytest.fixture
def pipeline():
    return Refusing()


@pytest.fixture
def client(pipeline):
    """A service whose own language is English."""
    usage = served("echo", pipeline, streams=True).usage
    with running([RefusingModel("echo", usage, pipeline)]) as found:
        yield found


def ask(client: Client, code: str, *texts: str) -> Any:
    return client.ask("POST", "/v1/predict", {"model": "echo", "texts": list(texts)}, Accept_Language=code)


@pytest.mark.parametrize("code", LANGUAGES)
def test_an_error_of_a_model(client, code):
    assert ask(client, code, "no").error["fields"][0]["problem"] == LANGUAGES[code]
    assert ask(client, code, "a", "no").error["fields"] == [{"field": "texts.1", "problem": LANGUAGES[code]}]


def test_without_a_header_it_is_that_of_the_service(client):
    assert client.predict("no").error["fields"][0]["problem"] == ENGLISH
    assert ask(client, "fr, zh;q=0.5", "no").error["fields"][0]["problem"] == CHINESE
    assert ask(client, "fr", "no").error["fields"][0]["problem"] == ENGLISH


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("text", ["no", "early no"])
def test_an_error_of_a_stream(client, code, text):
    answer = client.ask("POST", "/v1/stream", {"model": "echo", "text": text}, Accept_Language=code)
    content = answer.body.decode()
    assert LANGUAGES[code] in content
    assert not any(other in content for name, other in LANGUAGES.items() if name != code)


def test_requests_of_one_batch_have_their_own_languages(client, pipeline):
    pipeline.gate.clear()
    codes = ["en", "zh", "zh", "en", "zh", "en"]
    with ThreadPoolExecutor(len(codes) + 1) as pool:
        first = pool.submit(ask, client, "en", "busy")
        client.wait_until(lambda _health: pipeline.batches)
        waiting = [pool.submit(ask, client, code, f"text {number}", "no") for number, code in enumerate(codes)]
        client.wait_until(lambda health: health["waiting"]["echo"] == 2 * len(codes))
        pipeline.gate.set()
        found = [one.result(PATIENCE).error["fields"][0]["problem"] for one in waiting]
        first.result(PATIENCE)
    assert found == [LANGUAGES[code] for code in codes]
    assert max(map(len, pipeline.batches)) > 1  # they shared a batch


def test_a_failure_of_the_service(client):
    answer = ask(client, "zh", "boom")
    assert answer.status == 500
    assert answer.error["message"].startswith("服务")


# ---- the language of a block


def test_a_block_concerns_its_own_thread_only():
    entered, leave, found = threading.Event(), threading.Event(), []

    def other() -> None:
        with language.using("zh"):
            entered.set()
            assert leave.wait(PATIENCE)
            found.append(_("the text is blank"))

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(PATIENCE)
    assert _("the text is blank") == ENGLISH
    leave.set()
    thread.join(PATIENCE)
    assert found == [CHINESE]


def test_a_choice_within_a_block_ends_with_it(monkeypatch):
    monkeypatch.setenv(language.VARIABLE, "en")
    with language.using("en"):
        language.use("zh")
        assert _("the text is blank") == CHINESE
        with language.using("en"):
            assert _("the text is blank") == ENGLISH
        assert _("the text is blank") == CHINESE
    monkeypatch.setenv(language.VARIABLE, "en")
    assert language.current() == "en"
