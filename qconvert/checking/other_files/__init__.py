"""ONNX files that qconvert did not write: layers are found by their values."""
