"""Change one weight of ``model.onnx`` by one step, and save it as ``broken.onnx``."""

import onnx
from onnx.numpy_helper import from_array, to_array


def main() -> None:
    """Change the last code of the largest integer weight."""
    model = onnx.load("model.onnx")
    integers = [x for x in model.graph.initializer if to_array(x).dtype.kind in "iu"]
    largest = max(integers, key=lambda x: to_array(x).size)
    codes = to_array(largest).copy()
    codes.flat[-1] -= 1
    largest.CopyFrom(from_array(codes, largest.name))
    onnx.save(model, "broken.onnx")
    print(f"broken.onnx: the last weight of {largest.name!r} is one step less")


if __name__ == "__main__":
    main()
