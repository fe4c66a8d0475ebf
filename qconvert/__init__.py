"""qconvert: QKeras models to ONNX files that give the same answers, and the proof of it."""
