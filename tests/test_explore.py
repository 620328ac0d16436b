"""The page of `explore` without its browser: state, questions, answers, and who is answered."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from threading import Thread

import numpy as np
import pytest

from asymptotics.contrastive.objectives import OBJECTIVES
from asymptotics.errors import InvalidInput
from asymptotics.phase import QUANTITIES
from asymptotics.probes import PROBES
from cli.explorer import vocabulary
from cli.explorer.answers import Answers
from cli.explorer.code import code
from cli.explorer.question import number
from cli.explorer.server import ExploreServer
from cli.explorer.state import State

# each draws something different: lines before and after, gaps, a level line, another phase axis
LINKS = {
    "default": "",
    "gaps": "loss=max-margin,least-squares&objective=none&signal=1&gain=1.7",
    "level line": "loss=logistic,bayes&objective=none&x=ridge&sampling-ratio=1.5",
    "unequal classes": "loss=hinge&objective=none&intercept=1&prior=0.3&x=signal&from=1&to=2",
    "no temperature": "loss=square&objective=spectral&quantity=accuracy-gained&x=augmentation",
    "no loss": "loss=&objective=inner-product-fixed-norm",
}


@pytest.fixture(scope="module")
def server():
    with ExploreServer(0) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def ask(server):
    """(status, headers, body) of a request to the server."""
    connections = []

    def request(target, method="GET", **headers):
        connection = HTTPConnection(*server.server_address[:2], timeout=30)
        connections.append(connection)
        connection.request(method, target, headers=headers)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()

    yield request
    for connection in connections:
        connection.close()


@pytest.fixture
def answer(ask):
    """The JSON of a request that is answered."""

    def request(target):
        status, _, body = ask(target)
        assert status == 200, body
        return json.loads(body)

    return request


def commands(query):
    return [shlex.split(line) for line in code(State.read(query))["command"].splitlines()]


@pytest.mark.parametrize("query", LINKS.values(), ids=LINKS)
def test_a_link_holds_the_whole_state(query):
    state = State.read(query)
    assert State.read(state.query()) == state


def test_a_number_in_a_link_is_read_back_exactly():
    for value in (0.1, 2.0, 1 / 3, 1e-4, 123456.789):
        assert float(number(value)) == value
    assert State.read(f"signal={1 / 3!r}").values["signal"] == 1 / 3


@pytest.mark.parametrize("query", LINKS.values(), ids=LINKS)
def test_the_command_prints_the_numbers_of_the_page(answer, call, query):
    lines = answer(f"/api/curve?{query}")["lines"]
    phase = answer(f"/api/phase?{query}")
    for program, *arguments in commands(query):
        assert program == "asymptotics"
        exit_code, out, _ = call(*arguments, "--json")
        assert exit_code in (0, 3)
        printed = json.loads(out)
        if arguments[0] == "phase":
            shown = [row["gain"] for row in printed["rows"]]
            assert np.ravel(phase["gain"]).tolist() == shown
            names = {boundary["name"] for boundary in phase["boundaries"]}
            assert names <= {boundary["name"] for boundary in printed["boundaries"]}
            continue
        line = next(entry for entry in lines if entry["loss"] == arguments[2])
        for name in {"accuracy", "accuracy_before", "status", "threshold"} & set(line):
            assert line[name] == [row[name] for row in printed["rows"]]


@pytest.mark.parametrize("query", LINKS.values(), ids=LINKS)
def test_the_python_code_gives_the_numbers_of_the_page(answer, query):
    session = {}
    exec(code(State.read(query))["python"], session)
    lines = answer(f"/api/curve?{query}")["lines"]
    assert [line["loss"] for line in lines] == list(session.get("lines", {}))
    for line in lines:
        table = session["lines"][line["loss"]]
        assert line["accuracy"] == [row["accuracy"] for row in table.rows()]
    phase = answer(f"/api/phase?{query}")
    if "cells" in phase:
        cells = session["diagram"].cells(phase["quantity"])
        np.testing.assert_array_equal(np.array(phase["cells"], dtype=float), cells)


def test_a_point_without_a_limit_is_a_gap_with_its_threshold(answer):
    line = answer(f"/api/curve?{LINKS['gaps']}")["lines"][0]
    beyond = np.array(line["x"]) > 3.70003346
    assert 0 < beyond.sum() < beyond.size
    assert [value is None for value in line["accuracy"]] == beyond.tolist()
    assert {s for s, gap in zip(line["status"], beyond, strict=True) if gap} == {"no limit"}
    assert line["threshold"][0] == pytest.approx(3.7000335)


def test_only_parameters_that_move_something_are_live(answer):
    live = {name: set(answer(f"/api/curve?{query}")["live"]) for name, query in LINKS.items()}
    assert live["gaps"] == {"signal", "sampling-ratio", "gain"}
    assert "prior" in live["unequal classes"]
    assert "temperature" in live["default"]
    assert not {"temperature", "gain", "prior"} & live["no temperature"]


def test_each_live_parameter_moves_an_answer(answer):
    """And each other one moves none."""
    base = {"loss": "logistic", "objective": "cosine-large-signal"}
    for extra in ({}, {"objective": "none"}, {"intercept": "1", "prior": "0.3"}):
        query = "&".join(f"{name}={value}" for name, value in (base | extra).items())
        live = answer(f"/api/curve/coarse?{query}")["live"]
        for name in vocabulary.PARAMETERS:
            option = name.replace("_", "-")
            if option == "sampling-ratio" or f"{option}=" in query:
                continue
            values = (20, 90) if option == "dimension" else (0.6, 0.7)
            both = [
                answer(f"/api/curve/coarse?{query}&{option}={value}")["lines"][0]["accuracy"]
                for value in values
            ]
            assert (both[0] != both[1]) == (option in live), (query, option)


def test_an_axis_that_does_not_enter_is_said(answer):
    found = answer("/api/curve?objective=none&x=temperature")
    assert found["lines"] == []
    assert "temperature does not enter" in found["note"]


def test_a_loss_that_fails_does_not_hide_the_others(answer):
    lines = answer("/api/curve?loss=averaging,square&objective=none&intercept=1")["lines"]
    assert "averaging has no intercept" in lines[0]["error"]
    assert None not in lines[1]["accuracy"]


def test_a_question_is_computed_once(monkeypatch):
    calls = []

    def counted(**parameters):
        calls.append(parameters)
        return real(**parameters)

    from cli.explorer import answers

    real = answers.curve
    monkeypatch.setattr(answers, "curve", counted)
    kept = Answers()
    first = kept.curve(State.read("loss=square&objective=none"))
    again = kept.curve(State.read("loss=bayes,square&objective=none&temperature=3"))
    assert again["lines"][1] == first["lines"][0]
    assert [parameters["loss"] for parameters in calls] == ["square", "bayes"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("signal=abc", "signal: a number is needed, got 'abc'"),
        ("signal=nan", "signal: a number is needed, got 'nan'"),
        ("signal=1,2", "signal: a number is needed"),
        ("loss=foo", "loss must be one of"),
        ("objective=foo", "objective 'foo' is not one of"),
        ("x=foo", "x: choose of signal, sampling-ratio"),
        ("quantity=foo", "quantity: choose of expansion-measure"),
        ("intercept=yes", "intercept: 0 or 1"),
        ("from=5&to=2", "from, to: a grid must run upwards"),
        ("from=-1", "from, to: a log grid must start above 0"),
        ("output=/tmp/x", "output: not in the state"),
        ("spectrum=/etc/passwd", "spectrum: not in the state"),
    ],
)
def test_a_bad_link_is_one_clear_line(ask, query, words):
    status, _, body = ask(f"/api/curve?{query}")
    message = json.loads(body)["error"]
    assert status == 400
    assert words in message
    assert "\n" not in message
    start = json.loads(ask(f"/api/start?{query}")[2])
    assert words in start["error"]
    assert start["state"] == State().query()


def test_a_value_out_of_range_is_said_in_the_place_of_the_figure(ask, answer):
    assert "ridge" in answer("/api/curve?loss=square&objective=none&ridge=-1")["lines"][0]["error"]
    status, _, body = ask("/api/phase?dimension=1")
    assert (status, "dimension=1" in json.loads(body)["error"]) == (400, True)
    status, _, body = ask("/api/phase?loss=&quantity=accuracy-after")
    assert (status, "choose a loss" in json.loads(body)["error"]) == (400, True)
    assert ask("/api/code?loss=&objective=none")[0] == 400


def test_the_server_listens_on_loopback_only(server):
    assert server.server_address[0] == "127.0.0.1"
    own = socket.gethostbyname_ex(socket.gethostname())[2]
    for address in {ip for ip in own if not ip.startswith("127.")}:
        with pytest.raises(OSError), socket.create_connection((address, server.server_port), 1):
            pass


@pytest.mark.parametrize("target", ["/", "/main.js", "/api/curve", "/api/start"])
def test_a_request_under_another_name_is_refused(ask, server, target):
    """A name of another site that resolves to this machine (DNS rebinding) is not its own."""
    port = server.server_port
    for host in ("example.org", f"example.org:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}"):
        status, _, body = ask(target, Host=host)
        assert status == 403
        assert "only this machine's" in json.loads(body)["error"]
    assert ask(target, Host=f"localhost:{port}")[0] == 200


def test_a_page_of_another_site_gets_no_answer(ask):
    for site in ("cross-site", "same-site"):
        assert ask("/api/curve", **{"Sec-Fetch-Site": site})[0] == 403
    # but a link to the page, in a mail say, opens it
    assert ask("/?signal=1", **{"Sec-Fetch-Site": "cross-site"})[0] == 200
    headers = ask("/api/start", Origin="http://example.org")[1]
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_the_page_may_load_nothing_from_elsewhere(ask):
    status, headers, body = ask("/")
    assert status == 200
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert b"http" not in body.replace(b"http-equiv", b"")


@pytest.mark.parametrize("path", ["/nothing", "/../server.py", "/static/main.js", "/api/table"])
def test_a_path_that_is_not_the_page_s_is_not_found(ask, path):
    assert ask(path)[0] == 404


def test_the_server_only_answers_get(ask):
    assert ask("/api/curve", method="POST")[0] == 501


def test_the_vocabulary_is_that_of_the_engine(answer):
    start = answer("/api/start")
    assert [entry["name"] for entry in start["losses"]] == list(PROBES)
    assert [entry["name"] for entry in start["objectives"]] == ["none", *OBJECTIVES]
    assert {entry["name"] for entry in start["quantities"]} <= set(QUANTITIES)
    for entry in vocabulary.PARAMETERS.values():
        assert entry.low <= entry.start <= entry.high


def test_what_is_not_a_state_cannot_be_made():
    with pytest.raises(InvalidInput, match="x: choose of"):
        State(x="views")


def start_command(*options):
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "cli", "explore", "--no-browser", *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def test_the_command_prints_its_address_serves_and_ends_at_ctrl_c():
    with start_command("--port", "0") as process:
        address = process.stdout.readline().strip()
        host, port = address.removeprefix("http://").strip("/").split(":")
        connection = HTTPConnection(host, int(port), timeout=30)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        # the connection stays open, as a browser's does
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        connection.close()
    assert host == "127.0.0.1"
    assert process.returncode == 0
    assert out == ""
    assert err == "Ctrl-C ends it\n\n"


def test_a_port_in_use_is_one_line(server, call):
    code, out, err = call("explore", "--no-browser", "--port", server.server_port)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert f"--port {server.server_port} is in use" in err
