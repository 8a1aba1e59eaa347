"""Requests over HTTP: records, and what is answered to those that are wrong."""

from __future__ import annotations

import json
import re

import pytest

from paddle_tasks.inference.service.guard import AllowedHosts
from paddle_tasks.inference.service.limits import Limits
from paddle_tasks.training.demonstration import Demonstration

from .serving import Echo, running, served, writing

LIMITS = Limits(text_length=20, n_texts=4, body_bytes=5000, n_queued=8, n_written=100)
SECRETS = ("Traceback", "/secret", "site-packages", "/home", "/work", ".py")


@pytest.fixture(scope="module")
def client():
    pair = served("pair", Echo(), fields=("text_a", "text_b"))
    with running([served("echo", Echo()), pair, writing()], LIMITS) as found:
        yield found


def test_a_text_and_several(client):
    assert client.predict("你好").json == {"model": "echo", "records": [{"input": "你好", "length": 2.123457}]}
    answer = client.predict(["a", "bb"], lines=True)
    assert [record["input"] for record in answer.json["records"]] == ["a", "bb"]
    assert answer.json["lines"][1] == [[{"text": "input: bb"}], [{"text": "length: 2.123457"}]]
    assert client.predict("一\t二", model="pair").status == 200


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"texts": ["a"]}, 404, "model"),
        ({"model": "ech", "texts": ["a"]}, 404, "model"),
        ({"model": "../../etc/passwd", "texts": ["a"]}, 404, "model"),
        ({"model": 3, "texts": ["a"]}, 422, "model"),
        ({"model": "echo"}, 422, "texts"),
        ({"model": "echo", "texts": []}, 422, "texts"),
        ({"model": "echo", "texts": None}, 422, "texts"),
        ({"model": "echo", "texts": {"a": 1}}, 422, "texts"),
        ({"model": "echo", "texts": ["a"] * 5}, 422, "texts"),
        ({"model": "echo", "texts": ["a", 3]}, 422, "texts.1"),
        ({"model": "echo", "texts": ["a", True]}, 422, "texts.1"),
        ({"model": "echo", "texts": ["a", " "]}, 422, "texts.1"),
        ({"model": "echo", "texts": ["a", "x" * 21]}, 422, "texts.1"),
        ({"model": "echo", "texts": ["\ud800"]}, 422, "texts.0"),
        ({"model": "pair", "texts": ["no tab"]}, 422, "texts.0"),
        ({"model": "echo", "texts": ["a", "bad"]}, 422, "texts.1"),
        ({"model": "echo", "texts": ["a"], "options": {"top": 1}}, 422, "options.top"),
        ({"model": "echo", "texts": ["a"], "options": {"top_k": "3"}}, 422, "options.top_k"),
        ({"model": "echo", "texts": ["a"], "options": {"top_k": True}}, 422, "options.top_k"),
        ({"model": "echo", "texts": ["a"], "options": {"top_k": 10**9}}, 422, "options.top_k"),
        ({"model": "echo", "texts": ["a"], "options": {"top_k": float("nan")}}, 422, "options.top_k"),
        ({"model": "echo", "texts": ["a"], "options": {"explain": 1}}, 422, "options.explain"),
        ({"model": "echo", "texts": ["a"], "options": {"top_k": 13}}, 422, "options"),
        ({"model": "echo", "texts": ["a"], "options": []}, 422, "options"),
        ({"model": "echo", "texts": ["a"], "more": 1}, 422, "more"),
        ({"model": "writer", "texts": ["a"]}, 422, "options.max_new_tokens"),
        (
            {"model": "writer", "texts": ["a"], "options": {"max_new_tokens": 60, "num_beams": 2}},
            422,
            "options.max_new_tokens",
        ),
        ([], 422, ""),
        (None, 422, ""),
    ],
)
def test_a_wrong_field_is_named(client, body, status, field):
    answer = client.ask("POST", "/v1/predict", json.dumps(body).encode())
    assert answer.status == status, answer.body
    assert [each["field"] for each in answer.error["fields"]] == [field]
    assert answer.error["code"] in {"invalid", "unknown_model"}
    assert not any(secret in answer.body.decode() for secret in SECRETS)


def test_all_wrong_fields_are_named(client):
    answer = client.predict(["", "ok", "x" * 21], options={"top": 1, "top_k": 0})
    assert [each["field"] for each in answer.error["fields"]] == ["texts.0", "texts.2", "options.top", "options.top_k"]
    assert answer.error["message"].count("\n") == 3


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1,", b'{"texts": "\xff"}', b"[" * 4000, b'{"model": "echo", "texts": "a"} x']
)
def test_malformed_json(client, body):
    answer = client.ask("POST", "/v1/predict", body)
    assert answer.status == 422
    assert answer.error["code"] == "invalid"
    assert not any(secret in answer.body.decode() for secret in SECRETS)


def test_messages_in_chinese(client):
    answer = client.ask("POST", "/v1/predict", {"model": "echo", "texts": [""]}, Accept_Language="zh-CN,zh;q=0.9")
    assert "空" in answer.error["message"]
    assert client.predict([""]).error["message"].isascii()


def test_a_failure_says_nothing_of_the_inside(client, caplog):
    answer = client.predict("boom")
    assert (answer.status, answer.error["code"]) == (500, "internal")
    assert not any(secret in answer.body.decode() for secret in SECRETS)
    assert "/secret/folder" in caplog.text  # the log of the service has it
    assert client.predict("fine").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/page/../app.py",
        "/page/%2e%2e/%2e%2e/app.py",
        "/page/app.py",
        "/page/",
        "//etc/passwd",
        "/page/..%5capp.py",
        "/v1/predict/",
        "/docs/oauth2-redirect",
    ],
)
def test_other_paths(client, path):
    answer = client.ask("GET", path)
    assert (answer.status, answer.error["code"]) == (404, "not_found")


def test_other_methods_and_types(client):
    assert client.ask("GET", "/v1/predict").error["code"] == "not_allowed"
    assert client.ask("DELETE", "/healthz").status == 405
    answer = client.ask("POST", "/v1/predict", b'{"model": "echo", "texts": "a"}', Content_Type="text/plain")
    assert (answer.status, answer.error["code"]) == (415, "not_json")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("127.0.0.1.evil.example:80", 421),
        ("", 421),
        ("192.168.1.1", 421),
        ("localhost:1234", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
    ],
)
def test_foreign_hosts(client, host, status):
    assert client.ask("GET", "/healthz", Host=host).status == status


def test_foreign_origins(client):
    answer = client.ask("POST", "/v1/predict", {"model": "echo", "texts": "a"}, Origin="https://evil.example")
    assert (answer.status, answer.error["code"]) == (403, "foreign_origin")
    assert client.ask("GET", "/healthz", Origin="null").status == 403
    assert client.ask("GET", "/healthz", Origin=f"http://127.0.0.1:{client.port}").status == 200


def test_hosts_that_were_named():
    named = AllowedHosts.of("127.0.0.1", ["Box.Example"])
    assert named.allows("box.example:8040")
    assert not named.allows("10.0.0.7")
    everywhere = AllowedHosts.of("0.0.0.0")
    assert everywhere.allows("10.0.0.7:80")
    assert everywhere.allows("[fe80::1]:80")
    assert not everywhere.allows("box.example")  # a name could be somebody else's


def test_every_answer_has_careful_headers(client):
    for answer in (
        client.ask("GET", "/"),
        client.ask("GET", "/nothing"),
        client.predict(""),
        client.ask("GET", "/", Host="x"),
    ):
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "server" not in answer.headers


def test_the_only_model_needs_no_name():
    with running([served("echo", Echo())]) as client:
        assert client.ask("POST", "/v1/predict", {"texts": "a"}).json["model"] == "echo"


def test_the_models_are_described():
    shown = Demonstration(
        "label", ("好",), {"explain": True, "unknown": 1}, labels={"negative": "negative", "0": "different"}
    )
    model = served("echo", Echo(), labels=("1", "positive"), label_names={"1": "sports"}, demonstration=shown)
    with running([model], LIMITS) as client:
        (found,) = client.ask("GET", "/v1/models", Accept_Language="zh").json["models"]
        limits = client.ask("GET", "/v1/models").json["limits"]
    assert found["labels"] == {"1": "体育", "positive": "正面", "negative": "负面", "0": "不相似"}
    assert found["page_options"] == {"explain": True}
    assert found["options"]["top_k"] == {"type": "integer", "minimum": 1, "maximum": 100}
    assert (found["kind"], found["examples"], found["stream"]) == ("label", ["好"], None)
    assert limits == {"text_length": 20, "n_texts": 4, "n_written": 100}


def test_the_description_has_examples_that_work(client):
    description = client.ask("GET", "/openapi.json").json
    for path in ("/v1/predict", "/v1/stream"):
        examples = description["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        assert examples
        for example in examples.values():
            value = (
                {**example["value"], "options": {"max_new_tokens": 3}}
                if example["summary"] == "writer"
                else example["value"]
            )
            assert client.ask("POST", path, value).status == 200
    assert {"422", "429"} <= description["paths"]["/v1/predict"]["post"]["responses"].keys()


def test_the_description_in_chinese(client):
    description = client.ask("GET", "/openapi.json", Accept_Language="zh").json
    texts = [description["info"]["description"]]
    texts += [each["summary"] + each["description"] for path in description["paths"].values() for each in path.values()]
    texts += [
        field["description"] for field in description["components"]["schemas"]["PredictBody"]["properties"].values()
    ]
    assert all(re.search("[\u4e00-\u9fff]", text) for text in texts)
