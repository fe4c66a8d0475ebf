"""Which Keras and which QKeras wrote a model: they compute some things differently."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final

#: What only QKeras's master and qkeras-v3 write.
_LATER_OPTIONS: Final = frozenset(
    {
        "elements_per_scale",
        "inverse_quantizer",
        "mask",
        "max_po2_exponent",
        "min_po2_exponent",
        "post_training_scale",
    }
)
_LATER_CLASSES: Final = frozenset(
    {
        "QDepthwiseConv2DTranspose",
        "QScaleShift",
        "QSeparableConv2DTranspose",
        "quantized_linear",
    }
)
#: Names under which qkeras-v3 registers its classes with Keras.
_REGISTERED: Final = "qkeras>"


class Flavour(Enum):
    """A pair of a Keras and a QKeras; stock models of either Keras count with QKeras 0.9.0."""

    QKERAS = "QKeras 0.9.0 with Keras 2"
    MASTER = "QKeras's master with Keras 2"
    QKERAS_KERAS3 = "QKeras 0.9.0 with Keras 3"
    V3 = "qkeras-v3 with Keras 3"

    @property
    def keras3(self) -> bool:
        """Whether stock layers and functions are Keras 3's."""
        return self in (Flavour.QKERAS_KERAS3, Flavour.V3)

    @property
    def later(self) -> bool:
        """Whether QKeras is younger than the release 0.9.0."""
        return self in (Flavour.MASTER, Flavour.V3)


def flavour_of(config: Mapping[str, object], keras_version: str | None) -> Flavour:
    """The flavour of a model by its configuration and the version that its file states."""
    objects = list(_objects(config))
    keras3 = _states_keras3(keras_version) or any("batch_shape" in one for one in objects)
    if keras3:
        v3 = any(_is_registered(one) for one in objects)
        return Flavour.V3 if v3 else Flavour.QKERAS_KERAS3
    later = any(_is_registered(one) or _is_later(one) for one in objects)
    return Flavour.MASTER if later else Flavour.QKERAS


def _states_keras3(version: str | None) -> bool:
    return version is not None and version.startswith("3.")


def _objects(root: object) -> Iterator[Mapping[object, object]]:
    pending = [root]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)


def _is_registered(item: Mapping[object, object]) -> bool:
    names = (item.get("class_name"), item.get("registered_name"))
    return any(isinstance(name, str) and name.startswith(_REGISTERED) for name in names)


def _is_later(item: Mapping[object, object]) -> bool:
    name, config = item.get("class_name"), item.get("config")
    if not isinstance(name, str) or not name.startswith(("Q", "quantized_", "binary")):
        return False
    return name in _LATER_CLASSES or (
        isinstance(config, dict) and not _LATER_OPTIONS.isdisjoint(config)
    )
