"""F1: texts of quantizers, read as QKeras's own ``safe_eval`` reads them, or refused."""

import atexit
import json
import subprocess
import sys
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path
from typing import Final

from hypothesis import strategies as st

from qconvert.frontend.flavour import Flavour
from qconvert.frontend.quantizer_text import Call, QuantizerError, drops_arguments, parse
from qconvert.frontend.quantizers import activation, quantizer
from scripts.fuzzing.drawn import Drawn
from scripts.fuzzing.tally import WrongError

_WORKER: Final = Path(__file__).with_name("safe_eval_worker.py")
_NAMES: Final = (
    "quantized_bits", "quantized_relu", "quantized_tanh", "quantized_sigmoid", "quantized_po2",
    "quantized_relu_po2", "quantized_ulaw", "quantized_hswish", "quantized_linear", "binary",
    "ternary", "stochastic_binary", "stochastic_ternary", "bernoulli", "hard_tanh", "relu6",
    "smooth_sigmoid", "relu", "set_internal_sigmoid", "np", "open", "__builtins__", "",
)  # fmt: skip
_KEYS: Final = (
    "bits", "integer", "symmetric", "keep_negative", "alpha", "use_stochastic_rounding",
    "scale_axis", "qnoise_factor", "var_name", "negative_slope", "is_quantized_clip",
    "relu_upper_bound", "max_value", "quadratic_approximation", "log2_rounding", "use_01",
    "threshold", "use_real_tanh", "u", "x",
)  # fmt: skip
_NUMBERS: Final = (
    "0",
    "1",
    "-1",
    "4",
    "+8",
    "16",
    "007",
    ".5",
    "2.",
    "1e3",
    "-1.5e-1",
    "-0",
    "-0.0",
)
_WORDS: Final = (
    "True",
    "False",
    "None",
    "'auto'",
    '"auto_po2"',
    "'rnd'",
    "''",
    "[0.5 0.25]",
    "[1 2]",
)
_ODD: Final = (
    "99999999999999999", "9" * 30, "1e999", "1e-400", "0x10", "1_000", "nan", "inf", "\u0663",
    "auto", "'", "[]", "'a b'", "(4)", "quantized_bits(8,0)", "lambda:0", "Truely", "True.",
    "None]",
)  # fmt: skip
_BLANKS: Final = st.sampled_from(("", "", "", " ", "  "))
_ODD_BLANKS: Final = st.sampled_from(("", "\t", "\n", "\xa0", " "))
_VALUES: Final = st.one_of(
    st.sampled_from(_NUMBERS), st.sampled_from(_WORDS), st.integers(-99, 99).map(str),
    st.floats(-9, 9).map(repr),
)  # fmt: skip
_ODD_VALUES: Final = st.one_of(_VALUES, st.sampled_from(_ODD), st.text(max_size=4))
_ENDS: Final = (")", "(", " ", "; import os", "\0", "(x)", "")
#: Where the reader is a part of what QKeras's master reads, and 0.9.0 makes texts of it.
_LATER: Final = ("None", "[")


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Calls, half of them with something odd in them."""
    odd = draw(st.booleans())
    name = draw(st.sampled_from(_NAMES))
    arguments = draw(st.lists(_argument(odd=odd, named=False), max_size=3))
    arguments += draw(st.lists(_argument(odd=odd, named=True), max_size=3))
    called = bool(arguments) or draw(st.booleans())
    text = f"{name}({','.join(arguments)})" if called else name
    if not odd:
        return text
    cut = draw(st.sampled_from((None, None, -1, -2)))
    return draw(_ODD_BLANKS) + text[:cut] + draw(st.sampled_from(_ENDS))


@st.composite
def _argument(draw: st.DrawFn, *, odd: bool, named: bool) -> str:
    values, blanks = (_ODD_VALUES, _ODD_BLANKS) if odd else (_VALUES, _BLANKS)
    value = f"{draw(_BLANKS)}{draw(values)}{draw(blanks)}"
    if not named:
        return value
    return f"{draw(_BLANKS)}{draw(st.sampled_from(_KEYS))}{draw(_BLANKS)}={value}"


class SafeEval:
    """QKeras's ``safe_eval``, in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self, text: str) -> object:
        """The arguments by position and by name, each with its type."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(text) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process, as it does without input."""
        self._process.communicate()


@cache
def safe_eval() -> SafeEval:
    """The one process of all cases."""
    found = SafeEval()
    atexit.register(found.close)
    return found


def read(text: str) -> Call:
    """The call that a text is; what makes quantizers of calls takes or refuses it, too."""
    for role, flavour in product(("kernel", "other"), Flavour):
        with suppress(QuantizerError):
            quantizer(text, "kernel" if role == "kernel" else "other", flavour)
    for qkeras, flavour in product((False, True), Flavour):
        with suppress(QuantizerError):
            activation(text, qkeras=qkeras, rank=2, flavour=flavour, freezing=False)
    return parse(text)


def attempt(text: str) -> str:
    """Read it, and compare what is accepted with QKeras."""
    try:
        call = read(text)
    except QuantizerError as error:
        return error.code
    if not drops_arguments(text) and not any(word in text for word in _LATER):
        found, theirs = _typed(call), safe_eval().read(text)
        if found != theirs:
            raise WrongError(f"{text!r} is {found} here and {theirs} in QKeras")
    return ""


def _typed(call: Call) -> object:
    """As the worker tells it."""
    args = [[type(value).__name__, repr(value)] for value in call.args]
    kwargs = {key: [type(value).__name__, repr(value)] for key, value in call.kwargs.items()}
    return [args, kwargs]


TARGET: Final = Drawn(
    name="grammar",
    what="texts of quantizers, against QKeras's safe_eval",
    inputs=st.one_of(texts(), st.text(max_size=40)),
    attempt=attempt,
    content=lambda text: text.encode("utf-8", "surrogatepass"),
    suffix=".txt",
    seconds=0.1,
)
