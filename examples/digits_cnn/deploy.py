"""Use ``model.onnx`` as a service would: ONNX Runtime alone, no TensorFlow, no qconvert."""

import numpy as np
import onnxruntime


def main() -> None:
    """Classify the test images, and say how many are right."""
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    images, labels = np.load("test.npz")["image"], np.load("labels.npy")
    (scores,) = session.run(None, {"image": images})
    accuracy = np.mean(np.argmax(scores, axis=1) == labels)
    print(f"model.onnx: accuracy {accuracy:.3f} on {len(labels)} test images")


if __name__ == "__main__":
    main()
