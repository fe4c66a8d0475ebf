import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from qconvert.checking import inputs
from qconvert.checking.inputs import Samples, from_user, seeded, seeded_sample, user_sample
from qconvert.errors import BadFileError, LimitError, QConvertError, UsageError
from qconvert.ir import F32, Graph, Grid, Input, Node, Output
from qconvert.ir.ops import Merge, Quantize, Relu
from qconvert.ir.quantizers import (
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedPo2,
    QuantizedSigmoid,
    QuantizedTanh,
    QuantizedUlaw,
    Quantizer,
)
from qconvert.ir.stock import Embedding
from qconvert.modelfile import Limits


def gather(samples: Samples) -> dict[str, F32]:
    batches = list(samples.batches)
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


@pytest.fixture
def two_inputs() -> Graph:
    shape = (None, 5)
    return Graph(
        "two",
        (Input("a", shape), Input("b", shape)),
        (Node("sum", Merge("add"), ("a", "b"), shape),),
        (Output("y", "sum"),),
        (),
    )


def test_ties_neighbours_and_both_ends_of_the_grid_are_tried(graph: Graph) -> None:
    values = gather(seeded(graph, 256))["x"]
    for code in range(-8, 8):
        tie = np.float32((code + 0.5) / 8)
        for wanted in (code / 8, tie, np.nextafter(tie, np.float32(9)), np.nextafter(tie, -9)):
            assert np.float32(wanted) in values
    assert values.min() < -2
    assert values.max() > 2
    assert (values[values == 0] == 0).any()
    assert np.signbit(values[values == 0]).any()


def test_a_sample_does_not_depend_on_how_many_there_are(graph: Graph) -> None:
    few, many = gather(seeded(graph, 10, seed=3)), gather(seeded(graph, 200, seed=3))
    np.testing.assert_array_equal(few["x"], many["x"][:10])


def test_a_sample_alone_is_the_one_in_its_batch(two_inputs: Graph) -> None:
    domains = {"a": Grid(0, 255, -8)}
    many = gather(seeded(two_inputs, 40, 3, domains))
    for number in (0, 1, 2, 39):
        alone = seeded_sample(two_inputs, number, 3, domains)
        for name in many:
            np.testing.assert_array_equal(alone[name], many[name][number : number + 1])


def test_another_seed_gives_other_samples(graph: Graph) -> None:
    assert (gather(seeded(graph, 50, seed=1))["x"] != gather(seeded(graph, 50, seed=2))["x"]).any()


def test_the_first_batch_has_one_sample_and_others_have_more(graph: Graph) -> None:
    sizes = [len(batch["x"]) for batch in seeded(graph, 100).batches]
    assert sizes == [1, 64, 35]


def test_a_one_hot_sample_for_every_element_of_a_small_input(two_inputs: Graph) -> None:
    values = gather(seeded(two_inputs, 300))["a"]
    nonzero = {tuple(np.flatnonzero(row).tolist()) for row in values if np.count_nonzero(row) == 1}
    assert nonzero == {(i,) for i in range(5)}


def test_some_sample_has_a_different_value_in_every_element() -> None:
    shape = (None, 3, 5, 7)
    nodes = (Node("y", Relu(), ("x",), shape),)
    graph = Graph("g", (Input("x", shape),), nodes, (Output("y", "y"),), ())
    first = next(iter(seeded(graph, 4).batches))["x"]
    assert len(np.unique(first)) == 105


@pytest.mark.parametrize("rows", [1, 2, 10, 3000])
def test_tables_get_the_numbers_of_their_rows(rows: int) -> None:
    nodes = (Node("y", Embedding(np.zeros((rows, 2), np.float32)), ("x",), (None, 5, 2)),)
    graph = Graph("g", (Input("x", (None, 5)),), nodes, (Output("y", "y"),), ())
    values = gather(seeded(graph, 200))["x"]
    assert set(np.unique(values)) <= set(range(rows))
    assert {0, rows - 1} <= set(np.unique(values))
    assert len(np.unique(values)) >= min(rows, 200)


def test_inputs_of_one_model_are_not_copies_of_each_other(two_inputs: Graph) -> None:
    values = gather(seeded(two_inputs, 20))
    assert (values["a"] != values["b"]).any(axis=1).all()


def test_npy_streams_every_row_in_order(graph: Graph, tmp_path: Path) -> None:
    x = np.arange(260, dtype=np.float32).reshape(130, 2)
    np.save(tmp_path / "x.npy", x)
    samples = from_user(graph, tmp_path / "x.npy")
    assert samples.count == 130
    np.testing.assert_array_equal(gather(samples)["x"], x)


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_gives_arrays_by_name(two_inputs: Graph, tmp_path: Path, compressed: bool) -> None:
    a = np.arange(500, dtype=np.float32).reshape(100, 5)
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "x.npz", b=-a, a=a)
    found = gather(from_user(two_inputs, tmp_path / "x.npz", 70))
    np.testing.assert_array_equal(found["a"], a[:70])
    np.testing.assert_array_equal(found["b"], -a[:70])


def test_an_npz_without_arrays_is_said_to_be_one(graph: Graph, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz")
    with pytest.raises(BadFileError, match=r"an \.npz without arrays"):
        from_user(graph, tmp_path / "x.npz")


def test_arrays_are_taken_from_memory_and_converted_exactly(graph: Graph) -> None:
    found = gather(from_user(graph, np.array([[1, 255], [0, 7]], np.uint8)))["x"]
    np.testing.assert_array_equal(found, np.array([[1, 255], [0, 7]], np.float32))
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 4), np.float32), r"has shape \(3, 4\), the model takes \(samples, 2\)"),
        (np.zeros(2, np.float32), "has shape"),
        (np.zeros((), np.float32), "has shape"),
        (np.zeros((0, 2), np.float32), "0 samples check nothing"),
        (np.zeros((1, 2), np.complex64), "has type complex64"),
        (np.array([["a", "b"]]), "has type <U1"),
        (np.array([[0, 1], [np.nan, 2]], np.float32), r"element at \[1, 0\] is not finite"),
        (np.array([[0, -1e300]]), r"at \[0, 1\] is -1e\+300, beyond what float32 holds"),
        (np.array([[0, np.inf]]), r"at \[0, 1\] is not finite"),
        (np.array([[0.0, 0.1]]), "of type float64 has no float32 equal to it"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    graph: Graph, array: np.typing.NDArray[np.generic], message: str
) -> None:
    """At once: TensorFlow, which is started before the first batch is read, takes long."""
    with pytest.raises(UsageError, match=message):
        from_user(graph, array)


def test_unknown_and_missing_names_are_refused(two_inputs: Graph) -> None:
    x = np.zeros((1, 5), np.float32)
    with pytest.raises(UsageError, match=r"\['a', 'c'\], the model's are \['a', 'b'\]"):
        from_user(two_inputs, {"a": x, "c": x})
    with pytest.raises(UsageError, match="several inputs"):
        from_user(two_inputs, x)


@pytest.mark.parametrize("form", ["npy", "npz"])
def test_samples_of_no_numbers_are_refused(form: str, tmp_path: Path) -> None:
    """Of an input with an axis of any size."""
    shape = (None, None, 5)
    sizes = Graph("any", (Input("a", shape),), (), (Output("y", "a"),), ())
    path, x = tmp_path / f"x.{form}", np.zeros((3, 0, 5), np.float32)
    np.save(path, x) if form == "npy" else np.savez(path, a=x)
    with pytest.raises(UsageError, match="samples of no numbers") as found:
        from_user(sizes, path)
    assert found.value.code == "QC714"


def test_fewer_samples_than_asked_for_are_told(graph: Graph) -> None:
    x = np.zeros((3, 2), np.float32)
    told = "3 samples of the given arrays, all there are (100 were asked for)"
    assert from_user(graph, x, 100).description == told
    assert from_user(graph, x, 3).description == "3 samples of the given arrays"


def test_of_many_names_some_are_told(graph: Graph, tmp_path: Path) -> None:
    path, x = tmp_path / "x.npz", np.zeros((1, 2), np.float32)
    np.savez(path, **{f"{i:03}{'a' * 1000}": x for i in range(300)})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="and 292 more, the model's are") as found:
        from_user(graph, path)
    assert len(str(found.value)) < 1000


def test_a_missing_file_is_told_as_elsewhere(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"x\.npy: no such file$"):
        from_user(graph, tmp_path / "x.npy")


def test_different_numbers_of_samples_are_refused(two_inputs: Graph) -> None:
    x = np.zeros((3, 5), np.float32)
    with pytest.raises(UsageError, match="different numbers of samples"):
        from_user(two_inputs, {"a": x, "b": x[:2]})


def pickled(path: Path) -> None:
    np.save(path, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)


def truncated(path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((100, 2), np.float32))
    path.write_bytes(buffer.getvalue()[:-10])


def by_columns(path: Path) -> None:
    np.save(path, np.asfortranarray(np.ones((3, 2), np.float32)))


def not_an_archive(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 and then nothing")


def not_arrays(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"no array")


def text(path: Path) -> None:
    path.write_text("hello")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (pickled, "Python objects"),
        (truncated, "truncated"),
        (by_columns, "column by column"),
        (not_an_archive, "not a readable .npz"),
        (not_arrays, "not a readable array"),
        (text, "neither"),
        (lambda path: None, "no such file"),
    ],
)
def test_bad_files_are_refused(graph: Graph, tmp_path: Path, make: object, message: str) -> None:
    path = tmp_path / "x.npy"
    assert callable(make)
    make(path)
    with pytest.raises(BadFileError, match=message):
        from_user(graph, path)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_each_version_of_the_format_is_read(
    graph: Graph, tmp_path: Path, version: tuple[int, int]
) -> None:
    x = np.array([[0.5, 1], [2, 3]], np.float32)
    with (tmp_path / "x.npy").open("wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, that older ones read no newer versions
        np.lib.format.write_array(file, x, version)
    np.testing.assert_array_equal(gather(from_user(graph, tmp_path / "x.npy"))["x"], x)


def test_a_sample_is_no_larger_than_a_tensor_may_be(tmp_path: Path) -> None:
    """An axis that the model leaves open has the length that the file has, of bytes as well."""
    nodes = (Node("y", Relu(), ("x",), (None, None)),)
    graph = Graph("g", (Input("x", (None, None)),), nodes, (Output("y", "y"),), ())
    limits = Limits(tensor_bytes=4000)
    np.save(tmp_path / "x.npy", np.zeros((2, 1001), np.int8))
    with pytest.raises(LimitError, match=r"x.npy: input 'x'.*4,004 bytes: limit 4,000 \(--limit"):
        from_user(graph, tmp_path / "x.npy", limits=limits)
    np.save(tmp_path / "x.npy", np.zeros((2, 1000), np.int8))
    assert gather(from_user(graph, tmp_path / "x.npy", limits=limits))["x"].shape == (2, 1000)


def test_a_sample_alone_is_read_and_nothing_behind_it(graph: Graph, tmp_path: Path) -> None:
    x = np.arange(200, dtype=np.float32).reshape(-1, 2)
    x[7:] = np.nan
    np.save(tmp_path / "x.npy", x)
    for number in (0, 6):
        batch, words = user_sample(graph, tmp_path / "x.npy", number)
        np.testing.assert_array_equal(batch["x"], x[number : number + 1])
        assert words == f"sample {number} of 100 samples of {tmp_path / 'x.npy'}"
    with pytest.raises(UsageError, match="input 'x': the element at"):
        user_sample(graph, tmp_path / "x.npy", 7)
    with pytest.raises(UsageError, match="there is no sample 100: they count from 0, and are 100"):
        user_sample(graph, tmp_path / "x.npy", 100)


def test_there_are_no_more_samples_than_anybody_waits_for(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MOST_SAMPLES", 9)
    x = np.zeros((10, 2), np.float32)
    assert from_user(graph, x, 9).count == 9
    with pytest.raises(UsageError, match="10 samples, and at most 9 are read: give fewer"):
        from_user(graph, x)


def test_what_no_batch_reads_is_not_looked_at(graph: Graph) -> None:
    array = np.array([[0, 1], [np.nan, 2]], np.float32)
    assert from_user(graph, array, 1).count == 1


def test_no_samples_are_refused(graph: Graph) -> None:
    with pytest.raises(QConvertError, match="0 samples"):
        seeded(graph, 0)


@pytest.mark.parametrize(
    ("quantizer", "tie"),
    [
        (QuantizedTanh(4, use_real_tanh=True), np.arctanh(0.3125)),
        (QuantizedSigmoid(4, use_real_sigmoid=True), np.log(0.71875 / 0.28125)),
        (QuantizedPo2(4), 2.0**0.5),
        (QuantizedUlaw(4), 0.375),
        # x * (x + 3) / 6 = 1/32
        (QuantizedHswish(QuantizedBits(8, 3)), (9.75**0.5 - 3) / 2),
        (QuantizedLinear(4), 0.1875),
    ],
    ids=lambda each: type(each).__name__,
)
def test_ties_are_tried_where_a_function_puts_them(quantizer: Quantizer, tie: float) -> None:
    nodes = (Node("y", Quantize(quantizer), ("x",), (None, 299)),)
    graph = Graph("g", (Input("x", (None, 299)),), nodes, (Output("y", "y"),), ())
    values = gather(seeded(graph, 256))["x"]
    near = np.float32(tie)
    for wanted in (np.nextafter(near, np.float32(-9)), near, np.nextafter(near, np.float32(9))):
        assert wanted in values
