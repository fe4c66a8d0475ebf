"""Options of Python functions that do not exist."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import qconvert
from qconvert import api

MODEL: Final = Path(__file__).parent / "data" / "jet_mlp.h5"


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (qconvert.export, ()),
        (qconvert.check, ()),
        (qconvert.inspect, ()),
        (qconvert.load, ()),
        (api.effective_weights, ()),
        (api.save_weights, ("weights.npz",)),
        (qconvert.explain, ("fc1", (0,))),
    ],
)
def test_an_unknown_option_is_one_of_the_function_that_was_called(
    function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    message = rf"^{function.__name__}\(\) got an unexpected keyword argument 'domain'$"
    with pytest.raises(TypeError, match=message):
        function(MODEL, *arguments, domain="uint8/256")
