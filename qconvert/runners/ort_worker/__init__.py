"""ONNX Runtime's process: started by its path, imports nothing of qconvert."""
