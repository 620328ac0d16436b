"""`asymptotics equations`: every problem as text, JSON and LaTeX that compiles as it stands."""

import json
import re
import shutil
import subprocess
from functools import cache

import numpy as np
import pytest
import sympy as sp
from matplotlib.mathtext import MathTextParser
from scipy.optimize import root

from asymptotics.contrastive.projector import projector
from asymptotics.probes import PROBES
from asymptotics.symbolic.heads import HEADS, HTanh, LogCosh
from asymptotics.symbolic.printing import as_latex, as_record, as_text
from asymptotics.symbolic.statement import head_statement, probe_statement
from cli.main import run

SADDLE_POINTS = [name for name in PROBES if name != "bayes"]
STATEMENTS = {
    **{name: lambda name=name: probe_statement(name) for name in SADDLE_POINTS},
    "any loss": lambda: probe_statement(),
    "logistic with an intercept": lambda: probe_statement("logistic", intercept=True),
    "one atom": lambda: probe_statement("hinge", 1),
    "three atoms": lambda: probe_statement("square", 3, intercept=True),
    **{name: lambda name=name: head_statement(name) for name in HEADS},
}


@pytest.fixture
def call(capsys):
    """Run the command line; returns (exit code, standard output, standard error)."""

    def invoke(*arguments):
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return invoke


def math_lines(fragment):
    """Every formula of a fragment, one for each line that TeX sets."""
    for display in re.findall(r"\\\[(.*?)\\\]\n", fragment + "\n", flags=re.DOTALL):
        inner = re.sub(r"\\(begin|end)\{array\}(\{l\})?|\\displaystyle", "", display)
        yield from (row.strip() for row in inner.replace(r"\\[1ex]", "\n").split("\n"))
    outside = re.sub(r"\\\[.*?\\\]\n", "", fragment, flags=re.DOTALL)
    yield from re.findall(r"\$(.*?)\$", outside)


@cache
def parse(formula):
    MathTextParser("path").parse(f"${formula}$")


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_formula_is_readable_mathtext(name):
    formulas = [line for line in math_lines(as_latex(STATEMENTS[name]())) if line]
    assert len(formulas) >= 4
    for formula in formulas:
        parse(formula)


def test_every_fragment_compiles_in_an_empty_article(tmp_path):
    engine = shutil.which("pdflatex") or shutil.which("latex")
    if engine is None:
        pytest.skip("no TeX engine on the PATH (Debian: texlive-latex-base)")
    body = "\n\n".join(as_latex(make()) for make in STATEMENTS.values())
    document = f"\\documentclass{{article}}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"
    (tmp_path / "all.tex").write_text(document)
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout[-2000:]


@pytest.mark.parametrize("name", STATEMENTS)
def test_text_and_record_state_potential_equations_and_every_symbol(name):
    statement = STATEMENTS[name]()
    record = as_record(statement)
    assert record["potential"].startswith(f"{statement.name} = ")
    assert len(record["equations"]) == len(statement.equations)
    assert all(equation.endswith(" = 0") for equation in record["equations"])
    assert all(equation in as_text(statement) for equation in record["equations"])
    explained = set()
    for symbols in record["definitions"]:
        explained |= set(symbols.replace("_k", "").split(", "))
    explained |= set(record["formulas"]) | {"m", "q", "vhat", "mhat", "qhat"}
    for symbol in statement.potential.free_symbols:
        assert re.sub(r"(?<=[swc])\d+$", "", symbol.name) in explained, symbol


def test_a_limit_puts_its_fixed_ridge_into_the_potential():
    for name, ridge in (("max-margin", 1), ("least-squares", 0)):
        statement = probe_statement(name)
        symbols = {symbol.name: symbol for symbol in statement.potential.free_symbols}
        assert "lambda" not in symbols
        q = symbols["q"]
        penalty = statement.potential.coeff(q, 2) + 1 / (2 * symbols["gamma"] * symbols["delta"])
        assert sp.simplify(penalty - sp.Rational(ridge, 2)) == 0


NUMBERS = {"R": 1.7, "D": 1.6, "tau": 0.45, "d": 12.0}


@pytest.mark.parametrize("name", [name for name in HEADS if not name.startswith("cosine")])
def test_the_symbolic_minimum_of_a_head_is_the_trained_gain(name):
    """Solve the printed equations numerically, the trained gain from the numeric landscape."""
    assert _stationary_gain(name) == pytest.approx(_trained(name), rel=1e-9)


@pytest.mark.parametrize("name", ["cosine-large-signal", "cosine-scaled"])
def test_the_symbolic_cosine_limits_are_stationary_at_the_trained_gain(name):
    assert _stationary_gain(name) == pytest.approx(_trained(name), rel=1e-8)


def _trained(name):
    return projector(
        name,
        signal=NUMBERS["R"],
        augmentation=np.sqrt(NUMBERS["D"] - 1),
        temperature=NUMBERS["tau"],
        dimension=NUMBERS["d"],
    ).gain


def _stationary_gain(name):
    """The gain at which the equations vanish, from Newton with sympy's own derivatives."""
    head = HEADS[name]()
    values = {symbol: NUMBERS[symbol.name] for symbol in _parameters(head)}
    t = NUMBERS["tau"] * NUMBERS["d"]
    extra = {"t": t, "c": (2 / t**2) / (1 + np.sqrt(1 + 4 / t**2))}
    values |= {s: extra[s.name] for s in head.expression.free_symbols if s.name in extra}
    z = np.polynomial.hermite_e.hermegauss(120)
    h = NUMBERS["R"] + np.sqrt(NUMBERS["D"]) * z[0]
    weights = z[1] / z[1].sum()
    functions = {
        "LogCosh": lambda k: weights @ np.log(np.cosh(k * h)),
        "HTanh": lambda k: weights @ (h * np.tanh(k * h)),
    }
    residual = sp.lambdify(
        head.unknowns, [e.subs(values) for e in head.equations()], [functions, "numpy"]
    )
    start = _start(name)
    found = root(lambda at: residual(*at), start, tol=1e-13)
    assert np.abs(found.fun).max() < 1e-10
    at = dict(zip(head.unknowns, found.x, strict=True))
    return float(sp.sqrt(head.squared_gain.subs(values | at)))


def _parameters(head):
    symbols = head.expression.free_symbols | head.squared_gain.free_symbols
    return [symbol for symbol in symbols if symbol.name in NUMBERS]


def _start(name):
    starts = {"cosine-large-signal": [0.3], "cosine-scaled": [1.0]}
    return starts.get(name, [0.5] * len(HEADS[name]().unknowns))


def test_log_cosh_differentiates_into_h_tanh():
    k = sp.Symbol("k")
    assert sp.diff(LogCosh(k), k) == HTanh(k)


@pytest.mark.parametrize("form", ["text", "latex", "json"])
def test_the_command_prints_every_format(call, form):
    code, out, err = call("equations", "--loss", "logistic", "--intercept", "--format", form)
    assert (code, err) == (0, "")
    if form == "json":
        assert set(json.loads(out)) >= {"potential", "equations", "definitions", "latex"}
    elif form == "latex":
        assert r"\Phi = " in out
    else:
        assert "dPhi/dgamma" in out


def test_json_flag_is_the_json_format(call):
    arguments = ("equations", "--objective", "cosine-scaled")
    assert call(*arguments, "--json") == call(*arguments, "--format", "json")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--loss", "hinges"], 1, "loss must be one of"),
        (["--loss", "bayes"], 1, "closed form"),
        (["--loss", "averaging", "--intercept"], 1, "no intercept"),
        (["--objective", "simclr"], 1, "objective must be one of"),
        (["--objective", "cosine", "--intercept"], 2, "--objective excludes"),
        (["--spectrum-atoms", "0"], 1, "K >= 1"),
        (["--spectrum-atoms", "many"], 1, "K >= 1"),
    ],
)
def test_bad_input_is_one_line(call, arguments, code, message):
    found, out, err = call("equations", *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert len(err.splitlines()) == 1
