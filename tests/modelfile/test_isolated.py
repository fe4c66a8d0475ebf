"""What a reader that crashes, hangs, or lies does to the process that asks it: one error."""

import gc
import io
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from qconvert.errors import BadFileError, LimitError, OutputError, QConvertError, WitnessError
from qconvert.modelfile import (
    DEFAULT_LIMITS,
    Json,
    Limits,
    clean,
    isolated,
    read_model,
    reading,
    write_clean,
)
from qconvert.modelfile.malformed import MalformedError
from qconvert.modelfile.source import nameless_file, opened_source

WriteModel = Callable[..., Path]
DATA = Path(__file__).parents[1] / "data"

SAYING = """
import json, sys
request = json.loads(sys.stdin.buffer.read())
{}
"""


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replace the isolated reader by a program."""

    def replace(program: str) -> None:
        (tmp_path / "reader.py").write_text(SAYING.format(program))
        monkeypatch.setattr(isolated, "READER", tmp_path / "reader.py")

    return replace


def failure(path: Path, **limits: int) -> QConvertError:
    with pytest.raises(QConvertError) as caught:
        read_model(path, limits=DEFAULT_LIMITS.with_values(limits))
    return caught.value


def test_a_crash_is_contained(write_model: WriteModel, reader: Callable[[str], None]) -> None:
    reader("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    error = failure(write_model())
    assert isinstance(error, BadFileError)
    assert error.code == "QC108"
    assert "crashed the isolated reader (signal 11, SIGSEGV)" in error.reason


def test_a_signal_need_not_have_a_name(
    write_model: WriteModel, reader: Callable[[str], None]
) -> None:
    reader("import os; os.kill(os.getpid(), 40)")
    assert "(signal 40); nothing else" in str(failure(write_model()))


@pytest.mark.parametrize(
    "program",
    [
        "import time; time.sleep(60)",
        "import os, time; os.close(1); time.sleep(60)",
        "while True: pass",
    ],
)
def test_a_hang_is_stopped(
    write_model: WriteModel, reader: Callable[[str], None], program: str
) -> None:
    reader(program)
    begin = time.monotonic()
    error = failure(write_model(), reader_seconds=1)
    assert (type(error), error.code) == (LimitError, "QC109")
    assert str(error).endswith("limit 1 (--limit reader-seconds=N raises it)")
    assert time.monotonic() - begin < 30


def test_seconds_of_the_processor_are_limited_too(
    write_model: WriteModel, reader: Callable[[str], None]
) -> None:
    reader("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)")
    assert failure(write_model()).code == "QC109"


PLACE = {"own": True, "at": 0, "length": 24, "dtype": "<f4", "shape": [2, 3]}
CONFIG = {"own": True, "at": 0, "length": 0}


def answer(**changed: object) -> dict[str, object]:
    return {"config": CONFIG, "by_name": [["d", [["k", {**PLACE, **changed}]]]], "unused": []}


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        answer(at=-1),
        answer(at=1 << 40),
        answer(length=-24),
        answer(length=20),
        answer(shape=[2, -3]),
        answer(shape=[1 << 62, 1 << 62]),
        answer(shape=[True, 6]),
        answer(shape=[1] * 40 + [6]),
        answer(shape="23"),
        answer(dtype="O"),
        answer(dtype="|S4"),
        answer(own=1),
        answer(at="0"),
        {**answer(), "config": {"own": False, "at": 0, "length": 1}},
        {**answer(), "by_name": {"d": []}},
        {**answer(), "by_name": [["d"]]},
        {**answer(), "by_name": [[1, []]]},
        {**answer(), "unused": [1]},
        {**answer(), "unused": None},
        {"config": CONFIG, "by_position": [[[], PLACE]], "groups": [], "unused": []},
    ],
)
def test_a_lie_is_not_believed(
    write_model: WriteModel, reader: Callable[[str], None], said: object
) -> None:
    reader(f"print({json.dumps(said)!r})")
    error = failure(write_model())
    assert (type(error), error.code) == (BadFileError, "QC108")


def test_arrays_that_are_told_again_and_again_count_each_time(
    write_model: WriteModel, reader: Callable[[str], None]
) -> None:
    twice = {**answer(), "by_name": [["d", [["k", PLACE], ["l", PLACE]]]]}
    reader(f"print({json.dumps(twice)!r})")
    error = failure(write_model(), total_bytes=40)
    assert (error.code, "an array of another size" in str(error)) == ("QC108", True)


def test_an_endless_answer_does_not_fill_the_memory(
    write_model: WriteModel, reader: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "_MAX_ANSWER", 1 << 20)
    reader("while True: sys.stdout.write(' ' * 65536)")
    error = failure(write_model())
    assert (error.code, "answer without end" in str(error)) == ("QC108", True)


def test_seconds_of_others_are_not_the_readers(
    write_model: WriteModel, reader: Callable[[str], None]
) -> None:
    reader("import time; time.sleep(1.5); print('{}')")
    assert failure(write_model(), reader_seconds=1).code == "QC108"


def test_a_reader_without_h5py_is_no_bad_file(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model()
    monkeypatch.setattr(isolated, "_folders", lambda _: {})
    error = failure(path)
    assert (type(error), error.code) == (WitnessError, "QC725")


def test_memory_of_the_reader_is_limited(tmp_path: Path, write_model: WriteModel) -> None:
    path = write_model()
    with h5py.File(path, "a") as file:
        del file["model_weights/d/d/kernel:0"]
        data = np.random.default_rng(0).random(80 << 18, np.float32)
        file["model_weights/d/d"].create_dataset(
            "kernel:0", data=data, compression="gzip", chunks=data.shape
        )
    for megabytes in (100, 170, 300, 400):
        error = failure(path, reader_memory=megabytes << 20)
        assert (type(error), error.code) == (LimitError, "QC801")
        assert "(--limit reader-memory=N raises it)" in str(error)


def packed(path: Path) -> Path:
    """*path* with a kernel that has to be unpacked."""
    with h5py.File(path, "a") as file:
        kernel = file["model_weights/d/d/kernel:0"][()]
        del file["model_weights/d/d/kernel:0"]
        file["model_weights/d/d"].create_dataset("kernel:0", data=kernel, compression="gzip")
    return path


def limited_to(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files of the process be of at most so many bytes, as with a full disk."""
    limits = DEFAULT_LIMITS
    monkeypatch.setattr(isolated, "_MARGIN", size - limits.total_bytes - limits.file_bytes)


def test_results_that_find_no_room_are_no_bad_file(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (packed(write_model()), DATA / "mnist_cnn.keras"):
        assert read_model(path)
        with monkeypatch.context() as patch:
            limited_to(10, patch)
            error = failure(path)
        assert (type(error), error.code) == (OutputError, "QC602")
        assert str(error) == f"{path}: what was read cannot be written: File too large"


@pytest.mark.parametrize("name", ["jet_mlp.h5", "mnist_cnn.keras", "encoder.json"])
@pytest.mark.parametrize("size", [10, 5_000])
def test_a_file_for_keras_that_finds_no_room_is_no_crash(
    name: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = read_model(DATA / name)
    monkeypatch.setattr(clean, "_LIMITS", DEFAULT_LIMITS)
    limited_to(size, monkeypatch)
    with pytest.raises(OutputError, match="cannot be written: File too large") as found:
        write_clean(model, tmp_path)
    assert found.value.code == "QC602"


def test_the_reader_leaves_no_part_of_a_cache_of_its_modules(
    tmp_path: Path, write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(
        isolated.READER, tmp_path / "inside", ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.setattr(isolated, "READER", copy)
    read_model(write_model())
    assert not list(copy.rglob("*.pyc"))


def test_whatever_fails_in_the_reader_is_told(tmp_path: Path, write_model: WriteModel) -> None:
    limits = DEFAULT_LIMITS.with_values({"reader-seconds": 20})
    with nameless_file() as file, isolated.started((file.fileno(),), limits) as process:
        process.ask({"do": "write", "file": file.fileno(), **isolated.confined(limits)})
        with pytest.raises(MalformedError, match="made the isolated reader fail: KeyError"):
            process.answer()


def test_the_reader_has_no_environment_and_no_folder(
    write_model: WriteModel, reader: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    path = write_model()
    seen = path.with_name("seen")
    reader(
        f"import os; open({str(seen)!r}, 'w').write(json.dumps([dict(os.environ), os.getcwd(),"
        "sys.flags.isolated, sys.flags.no_site]))"
    )
    failure(path)
    environment, folder, isolated_flag, no_site = json.loads(seen.read_text())
    assert "SECRET_TOKEN" not in environment
    assert not {"HOME", "PATH", "PYTHONPATH"} & set(environment)
    assert (folder, isolated_flag, no_site) == ("/", 1, 1)


def test_the_reader_has_its_limits_and_inherits_nothing_but_its_files(
    tmp_path: Path, write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that matter only where nobody waits for it any more, or it dies."""
    shutil.copytree(isolated.READER, tmp_path / "inside")
    module, seen, path = tmp_path / "inside" / "hdf5.py", tmp_path / "seen", write_model()
    first = '    """Everything that matters to inference'
    text = module.read_text()
    assert text.count(first) == 1
    names = ("AS", "CPU", "CORE", "FSIZE")
    plant = (
        "    import json, os, resource\n"
        f"    kinds = [getattr(resource, 'RLIMIT_' + name) for name in {names}]\n"
        "    found = [int(number) for number in os.listdir('/proc/self/fd')]\n"
        "    seen = [*map(resource.getrlimit, kinds)], found, descriptor\n"
        f"    open({str(seen)!r}, 'w').write(json.dumps(seen))\n"
    )
    module.write_text(text.replace(first, plant + first))
    monkeypatch.setattr(isolated, "READER", tmp_path / "inside")
    with path.open("rb") as other:
        os.set_inheritable(other.fileno(), True)
        read_model(path, limits=DEFAULT_LIMITS.with_values({"reader-seconds": 20}))
    limits, inherited, own = json.loads(seen.read_text())
    most = DEFAULT_LIMITS.total_bytes + DEFAULT_LIMITS.file_bytes + isolated._MARGIN
    memory = DEFAULT_LIMITS.reader_memory
    assert limits == [[memory, memory], [20, 21], [0, 0], [most, most]]
    # The standard streams, the file, the results, and that which lists them.
    assert len(inherited) == 6 and {0, 1, 2, own} < set(inherited)


def test_a_file_that_changes_while_it_is_read_is_read_as_it_was(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model()
    before = read_model(path)

    def spoil(limits: Limits) -> dict[str, Json]:
        path.write_bytes(b"")
        return isolated.confined(limits)

    monkeypatch.setattr(reading, "confined", spoil)
    model = read_model(path)
    assert model.sha256 == before.sha256
    np.testing.assert_array_equal(model.weights["d"][0].value, before.weights["d"][0].value)


def descriptors() -> int:
    gc.collect()  # arrays and tracebacks keep the bytes that they are about
    return len(list(Path("/proc/self/fd").iterdir()))


def children() -> list[str]:
    """Of all threads, with those that nobody has waited for; other tests may have left some."""
    lists = Path("/proc/self/task").glob("*/children")
    return sorted(number for path in lists for number in path.read_text().split())


def test_no_process_and_no_descriptor_is_left(
    write_model: WriteModel, reader: Callable[[str], None]
) -> None:
    path = write_model()
    read_model(path)
    before = descriptors(), children()
    reader("import time; time.sleep(60)")
    failure(path, reader_seconds=1)
    assert (descriptors(), children()) == before


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<i8", ">i2", "u1"])
def test_arrays_arrive_as_h5py_reads_them(
    write_model: WriteModel, dtype: str, compression: str | None
) -> None:
    value = np.arange(-60, 60).reshape(4, 5, 6).astype(dtype)
    path = write_model()
    with h5py.File(path, "a") as file:
        del file["model_weights/d/d/kernel:0"]
        file["model_weights/d/d"].create_dataset("kernel:0", data=value, compression=compression)
    (stored,) = read_model(path).weights["d"]
    np.testing.assert_array_equal(stored.value, value.astype(value.dtype.newbyteorder("=")))
    assert stored.value.dtype.isnative
    assert stored.value.flags.aligned


def test_odd_numbers_are_converted_and_not_taken_bit_by_bit(write_model: WriteModel) -> None:
    """Integers of 20 bits that lie 4 bits further up, which NumPy has no type for."""
    path = write_model()
    odd = h5py.h5t.STD_I32LE.copy()
    odd.set_precision(20)
    odd.set_offset(4)
    values = np.array([1, 2, -3], np.int32)
    with h5py.File(path, "a") as file:
        del file["model_weights/d/d/kernel:0"]
        group = file["model_weights/d/d"]
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(group.id, b"kernel:0", odd, space).write(h5py.h5s.ALL, h5py.h5s.ALL, values)
    (stored,) = read_model(path).weights["d"]
    np.testing.assert_array_equal(stored.value, values)


@pytest.mark.parametrize(
    ("plant", "code"),
    [
        ("bytearray(8 << 30)", "QC801"),
        ("[0 for _ in iter(int, 1)]", "QC109"),
        ("__import__('os').abort()", "QC108"),
        ("__import__('os').ftruncate(budget.results._descriptor, 1 << 50)", "QC111"),
    ],
)
def test_the_reader_is_confined(
    plant: str,
    code: str,
    tmp_path: Path,
    write_model: WriteModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(isolated.READER, tmp_path / "inside")
    module = tmp_path / "inside" / "hdf5.py"
    text = module.read_text()
    first = "        weights = child(file, group)"
    assert text.count(first) == 1
    module.write_text(text.replace(first, f"        {plant}\n{first}"))
    monkeypatch.setattr(isolated, "READER", tmp_path / "inside")
    assert failure(write_model(), reader_seconds=5).code == code


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the system has no seals")
def test_nobody_changes_the_copy_that_is_hashed(write_model: WriteModel) -> None:
    with opened_source(write_model()) as source:
        for change in (
            lambda: os.pwrite(source.descriptor, b"x", 0),
            lambda: os.ftruncate(source.descriptor, 0),
        ):
            with pytest.raises(PermissionError):
                change()


def test_an_empty_stream_is_no_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(io.BytesIO().getvalue())
    assert failure(path).code == "QC101"
