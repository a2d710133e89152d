"""Multiply small matrices on one thread.

The products of an update take about 0.1 ms each. NumPy's BLAS would still share each of
them among all cores and wait for the slowest one: it gains little on an idle machine,
and on a busy one an update takes many times as long, because a core that it waits for
is at other work (TensorFlow's threads, or another program).  One thread also adds up
in the same order on any number of cores.
"""

from __future__ import annotations

import contextlib
import functools

import threadpoolctl


def one_blas_thread() -> contextlib.AbstractContextManager[object]:
    """Return a context in which NumPy's BLAS uses one thread.

    Enter it around many updates at once: entering takes about 0.1 ms.

    Example:
        >>> with one_blas_thread():
        ...     blas = [
        ...         library["num_threads"]
        ...         for library in threadpoolctl.threadpool_info()
        ...         if library["user_api"] == "blas"
        ...     ]
        >>> set(blas) <= {1}
        True
    """
    limits: contextlib.AbstractContextManager[object] = _libraries().limit(
        limits=1, user_api="blas"
    )
    return limits


@functools.cache
def _libraries() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()
