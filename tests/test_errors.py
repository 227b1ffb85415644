from __future__ import annotations

import inspect

from marl import errors


def test_every_boundary_error_is_a_parley_error_with_a_docstring() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]
    assert len(classes) >= 7
    assert all(issubclass(cls, errors.ParleyError) and cls.__doc__ for cls in classes)
