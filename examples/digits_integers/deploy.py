"""Use ``model.onnx`` on raw pixels: integers in, integers out, no division by anybody."""

import numpy as np
import onnxruntime


def main() -> None:
    """Classify the test images, and say how many are right."""
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    pixels, labels = np.load("pixels.npy"), np.load("labels.npy")
    (source,) = session.get_inputs()
    (codes,) = session.run(None, {source.name: pixels})
    accuracy = np.mean(np.argmax(codes, axis=1) == labels)
    print(f"model.onnx: {pixels.dtype} in, {codes.dtype} out")
    print(f"model.onnx: accuracy {accuracy:.3f} on {len(labels)} test images")


if __name__ == "__main__":
    main()
