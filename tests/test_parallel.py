"""Worker processes of the command line: what they may take of the machine."""

import os

from cli.parallel import workers


def blas_threads(_):
    import numpy  # noqa: F401
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_a_worker_has_one_blas_thread_whenever_it_loads_blas(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with workers(2, "cosine", 1000) as executor:
        found = list(executor.map(blas_threads, range(2)))
    assert all(threads and set(threads) == {1} for threads in found)
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in os.environ
