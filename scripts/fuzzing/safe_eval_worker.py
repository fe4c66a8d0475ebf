"""QKeras's ``safe_eval``, asked line by line: a text as JSON in, its arguments as JSON out.

A stand-alone program. Its module asks TensorFlow for activations of other names alone, so that
it is run without TensorFlow, which takes long to start.
"""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


def safe_eval() -> Callable[..., Any]:
    """The function, of the module itself: the package imports TensorFlow."""
    package = importlib.util.find_spec("qkeras")
    assert package is not None
    assert package.origin is not None
    tensorflow = ModuleType("tensorflow")
    tensorflow.keras = None  # type: ignore[attr-defined]
    sys.modules["tensorflow"] = tensorflow
    path = Path(package.origin).with_name("safe_eval.py")
    spec = importlib.util.spec_from_file_location("safe_eval", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Any] = module.safe_eval
    return found


def typed(*args: object, **kwargs: object) -> object:
    """What a quantizer would be made with."""
    return [
        [[type(value).__name__, repr(value)] for value in args],
        {key: [type(value).__name__, repr(value)] for key, value in kwargs.items()},
    ]


def told(function: Callable[..., Any], text: str) -> object:
    """The arguments, or the error's name."""
    try:
        found = function(text, {text.partition("(")[0]: typed})
    except Exception as error:
        return type(error).__name__
    return typed() if found is typed else found


def main() -> None:
    """Answer until nobody asks."""
    function = safe_eval()
    for line in sys.stdin:
        print(json.dumps(told(function, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
