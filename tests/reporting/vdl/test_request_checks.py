"""Who may ask the dashboard, and what it answers to requests for what does not exist."""

from __future__ import annotations

import pytest
from werkzeug.test import Client

from paddle_tasks.reporting.vdl.request_checks import allowed_hosts, answer_wrong_requests, check_hosts

LOCAL = "127.0.0.1"


@pytest.fixture
def client():
    from flask import Flask

    app = Flask("dashboard")
    app.add_url_rule("/page", view_func=lambda: "page", endpoint="page")
    app.add_url_rule("/run/<name>", view_func=lambda name: {"known": "run"}[name], endpoint="run")
    answer_wrong_requests(app)
    app.wsgi_app = check_hosts(app.wsgi_app, allowed_hosts(LOCAL, "/app"))
    return Client(app)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8040", 200),
        ("LOCALHOST", 200),
        ("localhost.", 200),
        ("127.0.0.1:8040", 200),
        ("[::1]:8040", 200),
        ("", 200),
        ("evil.example", 403),
        ("evil.example:8040", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("[::2]:8040", 403),
        ("192.168.1.5:8040", 403),
    ],
)
def test_only_names_of_this_machine_are_answered(client, host, status):
    assert client.get("/page", headers={"Host": host}).status_code == status


def test_what_does_not_exist_is_not_an_error_of_the_server(client):
    assert client.get("/run/known").status_code == 200
    for path in ("/run/unknown", "/run/%00", "/nowhere", "/page/.."):
        assert client.get(path).status_code == 404
    assert client.post("/page").status_code == 405


@pytest.mark.parametrize(("host", "path"), [("0.0.0.0", "/app"), ("192.168.1.5", "/app"), (LOCAL, "/user/1/app")])
def test_a_server_for_others_is_asked_under_any_name(host, path):
    assert allowed_hosts(host, path) is None


def test_ai_studio_asks_under_its_own_name(monkeypatch):
    assert allowed_hosts(LOCAL, "/app") is not None
    monkeypatch.setenv("STUDIO_MODEL_API_URL_PREFIX", "https://aistudio.example")
    assert allowed_hosts(LOCAL, "/app") is None
