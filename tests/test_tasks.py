"""One task: its key, its random numbers, its result as JSON."""

import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from asymptotics.errors import InvalidInput
from validation.code_version import code_version
from validation.tasks import Task, encode, perform


def draw(rng, **parameters):
    return rng.standard_normal(3)


def threads(rng):
    np.linalg.qr(rng.standard_normal((50, 50)))
    return [library["num_threads"] for library in threadpool_info()]


def task(seed=0, code="some code", function=draw, **parameters):
    return Task(function, parameters, seed, code)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_comes_back_bit_for_bit(x):
    (back,) = json.loads(encode(np.array([x])))
    assert struct.pack(">d", back) == struct.pack(">d", x)


def test_arrays_and_numpy_scalars_become_plain_json():
    value = {"a": np.eye(2, dtype=int), "b": (np.float32(0.1), np.bool_(True)), "c": None}
    expected = {"a": [[1, 0], [0, 1]], "b": [float(np.float32(0.1)), True], "c": None}
    assert json.loads(encode(value)) == expected


@pytest.mark.parametrize("value", [np.nan, [np.inf], {"x": np.array([1, np.nan])}, 1j, {1: 2}, {3}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(InvalidInput, match="not storable"):
        encode(value)


def test_equal_parameters_have_one_key_in_any_order_and_type():
    assert task(x=2, y=0.5).key == task(y=np.float64(0.5), x=2.0).key


@pytest.mark.parametrize(
    "other",
    [
        task(x=1, y=2),
        task(x=2),
        task(x=1, seed=1),
        task(x=1, code="other"),
        task(x=1, function=threads),
    ],
)
def test_another_parameter_seed_code_or_function_has_another_key(other):
    assert other.key != task(x=1).key


def test_random_numbers_follow_from_seed_function_and_parameters_as_documented():
    description = f'{{"function":"{__name__}.draw","parameters":{{"x":2}}}}'
    assert task(x=2.0).description == description
    words = struct.unpack(">8I", hashlib.sha256(json.dumps([description]).encode()).digest())
    sequence = np.random.SeedSequence(7, spawn_key=words)
    expected = np.random.Generator(np.random.PCG64(sequence)).standard_normal(5)
    assert np.array_equal(task(seed=7, x=2.0).rng().standard_normal(5), expected)


def test_random_numbers_do_not_depend_on_the_code_but_on_seed_and_parameters():
    def first(**changes):
        return task(**{"seed": 1, "x": 1} | changes).rng().standard_normal()

    assert first(code="other") == first()
    assert len({first(), first(seed=2), first(x=2)}) == 3


@pytest.mark.parametrize("function", [lambda rng: 1, np.sin, "name"])
def test_a_function_without_an_importable_name_is_refused(function):
    with pytest.raises(InvalidInput, match="importable by name"):
        Task(function, {}, 0, "code")


@pytest.mark.parametrize("seed", [-1, 0.5, True, None])
def test_a_seed_is_a_non_negative_integer(seed):
    with pytest.raises(InvalidInput, match="seed"):
        task(seed=seed)


def test_a_task_runs_with_one_blas_thread():
    assert set(json.loads(perform(task(function=threads, code=code_version(threads))))) == {1}


def test_a_worker_with_other_code_refuses_the_task():
    with pytest.raises(InvalidInput, match="install the same version"):
        perform(task(code="another version"))
