"""A bug for each target, which the target finds in a short run."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import strategies as st

from qconvert.api import checking
from qconvert.checking import CheckedFile, onnx_file
from qconvert.emit import metadata, to_onnx
from qconvert.frontend import config as options
from qconvert.frontend.quantizer_text import Call, parse
from qconvert.modelfile import reading
from qconvert.report import document, escape, terminal
from scripts.fuzzing import (
    audits,
    bytes_of_files,
    configs,
    documents,
    drawn,
    exported,
    grammar,
    guided,
    mutants,
    onnx_files,
    programs,
    renderings,
    structures,
)
from scripts.fuzzing.drawn import Drawn
from scripts.fuzzing.guided import Guided
from scripts.fuzzing.guided_targets import TARGETS as GUIDED
from scripts.fuzzing.programs import Programs
from scripts.fuzzing.shrinking import shrunk
from scripts.fuzzing.tally import Budget, Failure
from scripts.mutation.planting import Fault, planted, with_bug
from scripts.mutation.subjects import check
from tests.hostile.auditing import audited

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = {target.name: target for target in documents.targets()}
ONNX_FILES: Final = {target.name: target for target in onnx_files.targets()}


def failure(target: Drawn[Any], cases: int = 200, *, shrinks: bool = False) -> Failure:
    """What the target finds."""
    (found,) = drawn.run(replace(target, shrinks=shrinks), Budget(300, cases, 0)).failures
    return found


def test_texts_that_qkeras_reads_in_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(text: str) -> Call:
        call = parse(text)
        return replace(call, args=tuple(map(float, call.args))) if call.args == (1,) else call

    monkeypatch.setattr(grammar, "parse", wrong)
    found = failure(grammar.TARGET, 2000, shrinks=True)
    assert "in QKeras" in found.text
    # As small as it can be: one name, one argument.
    assert re.fullmatch(rb"[a-z_0-9]*\( *\+?0*1 *\)", found.content)


def test_options_that_nobody_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "_integer", lambda value, _: value)
    assert "Error" in failure(configs.target(None), 2000).text


def test_weights_from_another_place(in_reader: Callable[[str, str, str], None]) -> None:
    place = "where_it_lies(start"
    in_reader("values.py", place, f"{place} - 4")
    assert "another reader sees something else" in failure(bytes_of_files.HDF5).text
    assert "another reader sees something else" in failure(bytes_of_files.ARCHIVE).text
    assert "the kernel has other numbers" in failure(structures.TARGET).text


def test_links_that_are_followed(in_reader: Callable[[str, str, str], None]) -> None:
    in_reader("hdf5.py", "if kind == h5py.h5l.TYPE_EXTERNAL:", "if False:")
    assert re.search("got QC511, not .*QC510", failure(structures.TARGET).text)


def test_storage_elsewhere_that_is_read(in_reader: Callable[[str, str, str], None]) -> None:
    in_reader("values.py", "    if dataset.external:", "    if False:")
    kernels = st.builds(structures.Structure, kernel=st.sampled_from(("plain", "external")))
    found = failure(replace(structures.TARGET, inputs=kernels))
    assert "the kernel has other numbers" in found.text or "QC510" in found.text


def test_markdown_and_a_log_that_act(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escape, "_MARKDOWN", re.compile(r"([\\`])"))
    assert "Markdown that acts" in failure(renderings.TARGET).text
    monkeypatch.undo()
    monkeypatch.setattr(terminal, "printable", str)
    assert "_require_terminal" in failure(renderings.TARGET).text


def test_reports_that_contradict_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "implausible", lambda report: ())
    assert "Error" in failure(DOCUMENTS["report"], 2000).text


def test_answers_that_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_size", lambda value: value)
    assert "TypeError" in failure(DOCUMENTS["answer"], 2000).text


def test_metadata_that_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(value: Any) -> int:
        assert type(value) is int
        return int(value)

    monkeypatch.setattr(metadata, "_exponent", wrong)
    assert "AssertionError" in failure(DOCUMENTS["metadata"], 2000).text


def test_a_check_that_looks_at_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "check", lambda graph, _: check(graph, to_onnx(graph)))
    assert "passes, " in failure(mutants.TARGET, 3).text


def given(target: Drawn[Any], *commands: str) -> Drawn[Any]:
    """The cases of these commands alone."""
    return replace(target, inputs=target.inputs.filter(lambda case: case.command in commands))


def test_a_check_that_reads_another_onnx_file(monkeypatch: pytest.MonkeyPatch) -> None:
    (right, *_) = exported.subjects().values()
    file = CheckedFile(None, "")
    monkeypatch.setattr(checking, "read_onnx", lambda path, limits: (right.file, file))
    monkeypatch.setattr(exported, "subjects", lambda: {right.content: right})
    target = given(ONNX_FILES["onnx-structure"], "check")
    assert re.search("a file that passes: QC|passes and returns another", failure(target).text)


def test_onnx_files_that_nobody_looks_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "read_valid_onnx", lambda path, limits: path.read_bytes())
    target = given(ONNX_FILES["onnx-bytes"], "inspect")
    assert "DecodeError" in failure(target).text


def test_a_file_that_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    plant = "open('/etc/hostname')"
    monkeypatch.setattr(audits, "audited", lambda folder, files: audited(folder, files[:2], plant))
    assert "/etc/hostname" in failure(audits.TARGET, 1).text


#: Texts in files of qconvert, and what makes a bug of each.
PLANTS: Final = (
    (
        "frontend/quantizer_text.py",
        """raise _error(text, name.end(), "expected '('")""",
        "raise KeyError(text)",
    ),
    ("strict_json.py", "except UnicodeDecodeError:", "except LookupError:"),
    ("modelfile/inside/archive.py", "    ValueError,", "    LookupError,"),
    ("cli/configuration.py", "except TomlError as error:", "except LookupError as error:"),
    (
        "emit/metadata.py",
        "except (KeyError, ValueError) as error:",
        "except ValueError as error:",
    ),
    (
        "modelfile/inside/onnx_model.py",
        "except Exception as error:\n        # The parser",
        "except LookupError as error:\n        # The parser",
    ),
    ("report/document.py", "with blaming(path):", "if True:"),
)
#: The file whose bug each guided target meets first.
MET: Final = {
    "grammar-guided": "frontend/quantizer_text.py",
    "json-guided": "strict_json.py",
    "answer-guided": "strict_json.py",
    "archive-guided": "modelfile/inside/archive.py",
    "configuration-guided": "cli/configuration.py",
    "metadata-guided": "emit/metadata.py",
    "onnx-guided": "modelfile/inside/onnx_model.py",
    "report-guided": "report/document.py",
}


def spoiled(folder: Path, *plants: tuple[str, str, str]) -> Path:
    """A copy of qconvert with these bugs."""
    copy = with_bug(ROOT, str(folder), Fault("planted", plants[0][0], "", *plants[0][1:]))
    for file, before, after in plants[1:]:
        path = copy / "qconvert" / file
        text = planted(path.read_text("utf-8"), Fault("planted", file, "", before, after))
        # Not written into: it is a link to the file of which this is a copy.
        path.unlink()
        path.write_text(text, "utf-8")
    for name in ("scripts", "tests"):
        (copy / name).symlink_to(ROOT / name)
    return copy


@pytest.fixture(scope="module")
def all_planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spoiled(tmp_path_factory.mktemp("planted"), *PLANTS)


@pytest.mark.parametrize("name", list(GUIDED))
def test_bytes_that_nobody_thought_of(
    name: str, all_planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guided, "_ROOT", all_planted)
    (found,) = guided.run(Guided(name, "", ".txt"), Budget(300, 20_000, 0)).failures
    assert "Error" in found.text and MET[name] in found.text


def test_bytes_that_end_or_stop_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "    name = _NAME.match(text)\n"
    abort = ("frontend/quantizer_text.py", line, f"{line}    import os; os.abort()\n")
    monkeypatch.setattr(guided, "_ROOT", spoiled(tmp_path, abort))
    tally = guided.run(Guided("grammar-guided", "", ".txt"), Budget(300, 100, 0))
    assert ["deadly signal" in failure.text for failure in tally.failures] == [True]


def test_a_process_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "qconvert.py").write_text("raise ImportError")
    monkeypatch.setattr(guided, "_ROOT", tmp_path)
    with pytest.raises(RuntimeError, match="does not start"):
        guided.run(Guided("grammar-guided", "", ".txt"), Budget(300, 100, 0))


SAID: Final = {
    "random_models.py": "seed 7\tDIFFERS: dense DIFFERS\n1 models: 1 DIFFERS\n",
    "clean_files.py": "   4 arrays, written in 0.02 s  {folder}/7.h5\n"
    "DIFFERS  {folder}/7.h5: layer d\n1 models compared, 1 differ\n",
}


@pytest.mark.parametrize("wrong", list(SAID))
def test_models_that_differ(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(script: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        folder = Path(str(arguments[-1]))
        (folder / "7.h5").write_bytes(b"model")
        told = SAID[script].format(folder=folder) if script == wrong else ""
        return subprocess.CompletedProcess([], int(script == wrong), told, "")

    monkeypatch.setattr(programs, "_run", said)
    tallies = programs.run(Programs("models", ""), Budget(0, 1, 0))
    (found,) = [failure for tally in tallies for failure in tally.failures]
    assert "DIFFERS" in found.text and found.content == b"model"


def test_a_case_that_takes_long() -> None:
    slow = replace(grammar.TARGET, attempt=lambda text: str(sum(range(100_000))), seconds=1e-4)
    assert "at most 0.0001 s" in failure(slow).text


def test_a_case_that_takes_much() -> None:
    """In a process of its own: what counts is a case's part above all that came before it."""
    program = """
from dataclasses import replace
from scripts.fuzzing import drawn, grammar
from scripts.fuzzing.tally import Budget
drawn._MEMORY = 1 << 10
large = replace(grammar.TARGET, attempt=lambda text: str(len(b"x" * (64 << 20))), shrinks=False)
(found,) = drawn.run(large, Budget(300, 1, 0)).failures
print(found.text)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert "at most 1 MiB" in done.stdout, done.stderr


def test_bytes_are_made_as_few_as_they_can_be() -> None:
    text = b"a" * 100 + b"<" + b"b" * 57 + b">"
    assert shrunk(text, lambda data: data.count(b"<") == 1 == data.count(b">")) == b"<>"


def test_a_failing_case_is_written_and_is_an_error(tmp_path: Path) -> None:
    program = """
from dataclasses import replace
from scripts import fuzz
from scripts.fuzzing import grammar
grammar.TARGET = replace(grammar.TARGET, attempt=lambda text: str(1 // (len(text) < 5)))
raise SystemExit(fuzz.main())
"""
    command = ["--target", "grammar", "--cases", "50", "--failures", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", program, *command], cwd=ROOT,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stdout.endswith("1 failures\n")
    assert len((tmp_path / "grammar-0.txt").read_bytes()) >= 5
    assert "ZeroDivisionError" in (tmp_path / "grammar-0.txt.txt").read_text()
