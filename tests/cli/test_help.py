"""Errors with their codes, what explains them, and what may have been meant."""

import re
from typing import Any

import pytest

from qconvert.cli import run

from .conftest import LAYERS, activation, dense


@pytest.mark.parametrize("code", ["QC107", "qc107", "107"])
def test_a_code_is_explained(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", code]) == 0
    head, *rest = capsys.readouterr().out.splitlines()
    assert head == "QC107  A file that is missing or cannot be read"
    assert "permissions" in " ".join(rest)


def test_all_codes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 100
    assert all(re.match("QC[0-9]{3}  [A-Za-z]", line) for line in lines)


def test_the_list_of_commands_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    commands = capsys.readouterr().out.partition("Commands:")[2].splitlines()[1:]
    assert len(commands) > 10
    assert all(line.endswith(".") and "..." not in line for line in commands)


def test_what_can_be_given_is_listed_without_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion"]) == 2
    assert "\n  bash,\n  zsh,\n  fish\n" in capsys.readouterr().err


def test_help_of_a_command_is_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "export"]) == 0
    helped = capsys.readouterr().out
    assert run(["export", "--help"]) == 0
    assert helped == capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "meant"),
    [
        (["exprt"], "QC001", "'export'"),
        (["help", "exprt"], "QC001", "'export'"),
        (["export", "m.h5", "--dialekt", "qdq"], "QC001", "'--dialect'"),
        (["export", "m.h5", "--dialect", "qd"], "QC001", "'qdq'"),
        (["help", "QC17"], "QC920", "QC107"),
    ],
)
def test_what_may_have_been_meant(
    arguments: list[str], code: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"qconvert: error {code}: ")
    assert meant in err


@pytest.mark.parametrize(
    ("quantizer", "code", "meant"),
    [
        ("quantized_rely(4)", "QC402", "quantized_relu"),
        ("quantized_bits(4, 0, alfa=1)", "QC403", "alpha"),
        ("quantized_bits(4, 0", "QC401", ""),
        ("quantized_bits(400, 0)", "QC404", ""),
    ],
)
def test_names_in_a_model_that_may_have_been_meant(
    quantizer: str, code: str, meant: str, write_model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(layers=(LAYERS[0], activation("act", quantizer), dense("fc", 2)))
    assert run(["export", str(model)]) == 3
    err = capsys.readouterr().err
    assert err.startswith(f"qconvert: error {code}: ")
    assert meant in err.replace(quantizer, "")


def test_the_input_of_a_domain_that_may_have_been_meant(
    write_model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"name": "image", "batch_input_shape": [None, 3]}
    model = write_model(layers=({"class_name": "InputLayer", "config": config}, *LAYERS[1:]))
    assert run(["check", str(model), "--domain", "imagw=uint8/255"]) == 2
    assert "similar names: image" in capsys.readouterr().err


def test_interrupts_and_bugs_have_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from qconvert import codes

    for error, code, exit_code in (
        (KeyboardInterrupt(), "QC990", 130),
        (MemoryError(), "QC801", 7),
        (ZeroDivisionError("x\x1b[31m"), "QC999", 70),
    ):

        def raising(error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(codes, "explanations", raising)
        assert run(["help"]) == exit_code
        err = capsys.readouterr().err
        assert err.startswith(f"qconvert: error {code}: ")
        assert "Traceback" not in err and "\x1b" not in err


@pytest.mark.parametrize("option", ["--at", "--sample", "--seed"])
def test_a_value_of_thousands_of_digits_is_not_repeated(
    capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert run(["explain", "m.h5", "--layer", "fc", option, "9" * 5000]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"qconvert: error QC001: Invalid value for '{option}': '999")
    assert "characters) ..." in told
    assert len(told) < 2000
