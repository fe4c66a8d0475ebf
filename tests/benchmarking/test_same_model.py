"""Whether a file is of the model that it is measured beside, before TensorFlow starts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import onnx
import pytest

import qconvert
from qconvert.benchmarking.same_model import doubts, require_same_model
from qconvert.errors import LimitError, UsageError
from qconvert.modelfile import DEFAULT_LIMITS, ModelFile, read_model

MODEL: Final = Path(__file__).parents[1] / "data" / "jet_mlp.h5"


@pytest.fixture(scope="module")
def read() -> ModelFile:
    return read_model(MODEL, None)


@pytest.fixture
def file() -> onnx.ModelProto:
    return qconvert.export(MODEL).model


def without_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def wider(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value += 1


def longer(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value += 1


def twice(model: onnx.ModelProto) -> None:
    model.graph.output.add().CopyFrom(model.graph.output[0])
    model.graph.output[1].name += "_again"


def with_layer(read: ModelFile, **changes: Any) -> ModelFile:
    """The model with something else in the configuration of its first dense layer."""
    config: Any = read.config
    first, dense, *others = config["config"]["layers"]
    dense = {**dense, **changes}
    return replace(
        read, config={**config, "config": {**config["config"], "layers": [first, dense, *others]}}
    )


@pytest.mark.parametrize("of_others", [False, True])
@pytest.mark.parametrize("edit", [wider, longer, twice])
def test_a_file_of_another_model_is_refused(
    edit: Callable[[onnx.ModelProto], None],
    of_others: bool,
    read: ModelFile,
    file: onnx.ModelProto,
) -> None:
    if of_others:
        without_metadata(file)
    require_same_model(read, file, DEFAULT_LIMITS)
    edit(file)
    if edit is twice and of_others:
        # What is left over may be anything; its column says that it is not compared.
        return
    with pytest.raises(UsageError) as found:
        require_same_model(read, file, DEFAULT_LIMITS)
    assert found.value.code == "QC704"


@pytest.mark.parametrize("of_others", [False, True])
def test_of_a_model_with_unknown_layers_the_inputs_are_compared(
    of_others: bool, read: ModelFile, file: onnx.ModelProto
) -> None:
    unknown = with_layer(read, class_name="QNothing")
    if of_others:
        without_metadata(file)
    wider(file)
    require_same_model(unknown, file, DEFAULT_LIMITS)
    longer(file)
    with pytest.raises(UsageError, match=r"it takes 'input_1' \(None, 17\), the model 'input_1'"):
        require_same_model(unknown, file, DEFAULT_LIMITS)


def test_states_of_layers_that_are_not_known_are_no_other_model(
    read: ModelFile, file: onnx.ModelProto
) -> None:
    file.graph.input.add().CopyFrom(file.graph.input[0])
    file.graph.input[1].name = "lstm:state"
    require_same_model(with_layer(read, class_name="QNothing"), file, DEFAULT_LIMITS)
    with pytest.raises(UsageError, match="it takes"):
        require_same_model(read, file, DEFAULT_LIMITS)


def test_a_model_with_scales_of_the_batch_is_compared(
    read: ModelFile, file: onnx.ModelProto
) -> None:
    config: Any = read.config
    layers = list(config["config"]["layers"])
    (place,) = (i for i, each in enumerate(layers) if each["name"] == "relu1")
    layers[place] = {
        **layers[place],
        "config": {"name": "relu1", "activation": "quantized_bits(6, 0, alpha='auto')"},
    }
    scaled = replace(read, config={**config, "config": {**config["config"], "layers": layers}})
    require_same_model(scaled, file, DEFAULT_LIMITS)
    wider(file)
    with pytest.raises(UsageError, match="it returns"):
        require_same_model(scaled, file, DEFAULT_LIMITS)


def test_the_limits_are_the_users(read: ModelFile, file: onnx.ModelProto) -> None:
    with pytest.raises(LimitError, match="--limit layers"):
        require_same_model(read, file, DEFAULT_LIMITS.with_values({"layers": 3}))


def test_a_file_that_names_another_model_as_its_source_is_doubted(
    read: ModelFile, file: onnx.ModelProto
) -> None:
    assert not list(doubts(read.sha256, file))
    (told,) = doubts("1" * 64, file)
    assert read.sha256 in told and "1" * 64 in told
    without_metadata(file)
    assert not list(doubts("1" * 64, file))
