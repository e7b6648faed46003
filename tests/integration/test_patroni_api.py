# SPDX-License-Identifier: PostgreSQL
"""test_patroni_api - Patroni's word decides who leads; where it says nothing that makes sense, PostgreSQL's own does."""

import http.server
import json
import threading
import time

import pytest

import messages as m
import programs
from rawpg import errors_of
from replicas import Replicas, known, settings


class Api:
    """Answers every GET with `answer`: a dict as JSON, bytes as they are, a number as an HTTP status, None never."""

    def __init__(self):
        api, self.answer, self.asked = self, 503, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                api.asked.append(self.path)
                if api.answer is None:
                    time.sleep(5)
                    return
                known = isinstance(api.answer, (dict, bytes))
                body = json.dumps(api.answer).encode() if isinstance(api.answer, dict) else api.answer if known else b""
                self.send_response(200 if known else api.answer)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def leads(self, leader, *others):
        self.answer = {"members": [{"name": str(host.port), "host": "127.0.0.1", "port": host.port, "state": "running",
                                    "role": "leader" if host is leader else "replica"} for host in (leader, *others)]}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def pair():
    replicas = Replicas()
    yield replicas
    replicas.destroy()


@pytest.fixture
def api():
    one = Api()
    yield one
    one.close()


def options(pair, api):
    return settings(pair, upstreams=[{"name": "main", "hosts": pair.addresses(), "patroni": [api.url]}])


def test_patronis_word_decides(gateway, pair, api):
    primary, standby = pair.hosts
    api.leads(primary, standby)
    pool = gateway(pool=2, **options(pair, api))
    known(pool, primary, "primary")
    with pool.login() as client:
        assert client.value("select inet_server_port()") == str(primary.port)
        api.leads(standby, primary)
        known(pool, primary, "stale")
        client.send(m.query("select inet_server_port()"))
        assert client.silent(0.5), "the leader to be has not been promoted"
        api.leads(primary, standby)
        assert not errors_of(client.until("Z"))
        client.leave()
    assert set(api.asked) == {"/cluster"}


@pytest.mark.slow
def test_an_api_that_makes_no_sense_is_done_without(gateway, pair, api):
    primary, standby = pair.hosts
    pool = gateway(pool=2, **options(pair, api))
    known(pool, primary, "primary")
    with pool.login() as client:
        for answer in (b"<html>", b"[" * 100000, b"x" * 300000, {"members": []}, {"members": [{"role": 7}]}, 404, None):
            before = len(api.asked)
            api.answer = answer
            programs.eventually(lambda: len(api.asked) > before, 10, what="another question")
            assert client.value("select 'served'") == "served"
        api.close()
        known(pool, primary, "primary")
        assert client.value("select 'served'") == "served"
        client.leave()
    assert "said nothing about the cluster" in pool.log()


def test_a_silent_patroni_leaves_the_decision_to_postgresql(gateway, pair, api):
    primary, standby = pair.hosts
    api.leads(standby, primary)
    pool = gateway(pool=2, **options(pair, api))
    known(pool, primary, "stale")
    api.answer = 503
    known(pool, primary, "primary")
