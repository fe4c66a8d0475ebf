"""What a configuration says, and that nothing else passes for one."""

import json
import os
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from qconvert.amounts import MOST_SAMPLES
from qconvert.cli.configuration import ConfiguredModel, find, read_configuration
from qconvert.errors import BadFileError, UsageError

ROOT: Final = Path(__file__).parents[2]
SCHEMA: Final = json.loads((ROOT / "schemas" / "config.schema.json").read_text(encoding="utf-8"))
FULL: Final = """
samples = 8
tf-python = "tools/python"

[[models]]
model = "a.h5"
onnx = "/elsewhere/a.onnx"
weights = "w.h5"
inputs = "x.npz"
samples = 16
seed = 3
domains = ["uint8/255", "y=float"]
require = "proven"
scan = true
report = "out/a"
tf-python = "python3"
via-tensorflow = true
opaque = "tf2onnx"
freeze-scales = "f.npy"

[models.ignore]
conv = "issue 12"

[[models]]
model = "../b.h5"
"""


def written(folder: Path, text: str, name: str = "qconvert.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_is_read_and_paths_are_seen_from_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, FULL)
    first, second = read_configuration(path).models
    assert first == ConfiguredModel(
        model=tmp_path / "a.h5",
        onnx=Path("/elsewhere/a.onnx"),
        weights=tmp_path / "w.h5",
        inputs=tmp_path / "x.npz",
        samples=16,
        seed=3,
        domains=("uint8/255", "y=float"),
        require="proven",
        scan=True,
        ignore={"conv": "issue 12"},
        report=tmp_path / "out" / "a",
        tf_python=Path("python3"),
        via_tensorflow=True,
        opaque="tf2onnx",
        freeze_scales=tmp_path / "f.npy",
    )
    assert second == ConfiguredModel(
        model=tmp_path / ".." / "b.h5", samples=8, tf_python=tmp_path / "tools" / "python"
    )


def test_the_schema_has_the_same_keys_and_takes_the_same() -> None:
    keys = {field.name.replace("_", "-") for field in fields(ConfiguredModel)}
    assert SCHEMA["properties"]["models"]["items"]["properties"].keys() == keys
    jsonschema.Draft202012Validator(SCHEMA).validate(tomllib.loads(FULL))


def test_the_schema_knows_the_most_samples() -> None:
    of_models = SCHEMA["properties"]["models"]["items"]["properties"]["samples"]
    assert of_models["maximum"] == SCHEMA["properties"]["samples"]["maximum"] == MOST_SAMPLES


def test_the_example_of_the_page_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "CONFIG.md").read_text(encoding="utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    jsonschema.Draft202012Validator(SCHEMA).validate(tomllib.loads(example))
    assert len(read_configuration(written(tmp_path, example)).models) == 2
    for key in SCHEMA["properties"]["models"]["items"]["properties"]:
        assert f"`{key}`" in text


def test_it_is_found_upwards_and_others_projects_are_passed_by(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    written(tmp_path / "a", "[tool.ruff]\n", "pyproject.toml")
    table = '[tool.qconvert]\n[[tool.qconvert.models]]\nmodel = "m.h5"\n'
    outer = written(tmp_path, table, "pyproject.toml")
    assert find(inner) == outer
    assert read_configuration(outer).models[0].model == tmp_path / "m.h5"
    own = written(tmp_path, '[[models]]\nmodel = "n.h5"\n')
    assert find(inner) == own


def test_without_one_it_is_said_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="or above") as caught:
        find(tmp_path)
    assert caught.value.code == "QC911"


MODEL: Final = '[[models]]\nmodel = "m.h5"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no [[models]]"),
        ('require = "proven"', "there is no [[models]]"),
        ("models = []", "it names no model"),
        ("models = 3", "models is no array of tables"),
        ('models = ["m.h5"]', "models is no array of tables"),
        ("[[models]]\n", "the key 'model' is missing"),
        (f"modles = 1\n{MODEL}", "unknown key 'modles' (similar names: models"),
        (f'{MODEL}reqire = "proven"', "unknown key 'reqire' (similar names: require)"),
        (f'{MODEL}tf_python = "p"', "unknown key 'tf_python' (similar names: tf-python)"),
        (f'{MODEL}require = "proved"', "none of proven, bounded, sampled (similar names: proven)"),
        (f"{MODEL}require = 1", "1 is none of proven, bounded, sampled"),
        (f'{MODEL}opaque = "tfonnx"', "none of tf2onnx (similar names: tf2onnx)"),
        (f'{MODEL}samples = "8"', "'8' is not a whole number from 1"),
        (f"{MODEL}samples = 0", "0 is not a whole number from 1"),
        (f"{MODEL}samples = {10**7 + 1}", "10000001 is not a whole number from 1 to 10000000"),
        (f"{MODEL}samples = {10**20 - 1}", "is not a whole number from 1 to 10000000"),
        (f"{MODEL}samples = true", "True is not a whole number"),
        (f"{MODEL}samples = 8.0", "8.0 is not a whole number"),
        (f"{MODEL}seed = -1", "-1 is not a whole number from 0"),
        (f"{MODEL}scan = 1", "1 is not true or false"),
        (f'{MODEL}domains = "uint8"', "'uint8' is not a list of texts"),
        (f"{MODEL}domains = [1]", "[1] is not a list of texts"),
        (f'{MODEL}ignore = ["conv"]', "is not a table of layers"),
        (f'{MODEL}ignore = {{conv = ""}}', "no reason why the layer 'conv' is ignored"),
        (f"{MODEL}ignore = {{conv = 1}}", "no reason why the layer 'conv' is ignored"),
        (f'{MODEL}report = "../out"', "is not below the folder"),
        (f'{MODEL}report = "/tmp/out"', "is not below the folder"),
        (f'{MODEL}report = "."', "is not below the folder"),
        (f'{MODEL}onnx = ""', "'' is not a path"),
        (f'{MODEL}onnx = "a\\u0000b"', "is not a path"),
        (f"{MODEL}onnx = 1", "1 is not a path"),
        ("models = [", "it is no TOML"),
        ("models = " + "[" * 100_000, "it is n"),
        ("a." * 50_000 + "b = 1", "it is nested too deeply"),
        (f"{MODEL}samples.{'a.' * 50_000}b = 1", "it is nested too deeply"),
        (f"{MODEL}seed = {'9' * 5000}", "a number in it has too many digits"),
        (f"{MODEL}seed = 0x{'f' * 5000}", "a number in it has too many digits @ $.models[0].seed"),
        (f"{MODEL}limits = {{layers = {10**20}}}", "the limit layers is too large: it is at most"),
        (f"{MODEL}limits = {{reader-seconds = {2**63 - 1}}}", "is at most 1,000,000,000"),
        ("#" * (1 << 20) + "\n" + MODEL, "larger than 1 MiB"),
    ],
)
def test_what_is_none_is_an_error_that_says_why(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_configuration(path)
    assert words in str(caught.value)
    assert (caught.value.code, caught.value.exit_code) == ("QC910", 2)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_everything_that_is_wrong_is_told_with_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, f'{MODEL}samples = "8"\n{MODEL}scan = 1\nfoo = 1\n')
    with pytest.raises(UsageError) as caught:
        read_configuration(path)
    lines = str(caught.value).splitlines()
    assert [line.rpartition(" @ ")[2] for line in lines[1:]] == [
        "$.models[0].samples",
        "$.models[1].scan",
        "$.models[1]",
    ]


def test_a_key_of_all_models_is_wrong_once_and_where_it_stands(tmp_path: Path) -> None:
    text = f'require = "prove"\nsamples = 0\nseed = -1\ntf-python = 3\n{MODEL}{MODEL}seed = -2'
    with pytest.raises(UsageError) as caught:
        read_configuration(written(tmp_path, text))
    places = [line.rpartition(" @ ")[2] for line in caught.value.lines[1:]]
    keys = ["$.require", "$.samples", "$.seed", "$.tf_python"]
    assert sorted(places) == ["$.models[1].seed", *keys]


@pytest.mark.parametrize("folders", [("r/s", "r"), ("r", "r/s"), ("r/../q/s/t", "q")])
def test_reports_of_two_models_are_not_inside_of_each_other(
    tmp_path: Path, folders: tuple[str, str]
) -> None:
    """Before anything runs, whichever is first: a folder that is filled is not replaced later."""
    text = "".join(f'{MODEL}report = "{folder}"\n' for folder in folders)
    with pytest.raises(UsageError, match="inside of") as caught:
        read_configuration(written(tmp_path, text))
    assert caught.value.code == "QC910"


@pytest.mark.parametrize(
    ("text", "words"),
    [("tool = 1", "no table"), ("[tool]\nqconvert = 1", "tool.qconvert is no table")],
)
def test_a_project_file_has_to_have_the_table(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_configuration(written(tmp_path, text, "pyproject.toml"))


def test_a_report_does_not_leave_the_folder_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    path = written(tmp_path / "in", f'{MODEL}report = "link/out"\n')
    with pytest.raises(UsageError, match="is not below the folder"):
        read_configuration(path)


def test_a_file_that_is_missing_or_not_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadFileError):
        read_configuration(tmp_path / "gone.toml")
    path = tmp_path / "qconvert.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="it is no TOML"):
        read_configuration(path)


def test_keys_that_are_not_text_of_a_terminal_stay_inert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from qconvert.cli import run

    written(tmp_path, f'{MODEL}"\\u001b[31m" = 1\n')
    monkeypatch.chdir(tmp_path)
    assert run(["check"]) == 2
    err = capsys.readouterr().err
    assert "\x1b" not in err and os.linesep in err
