"""What an ONNX file holds, and what ONNX Runtime makes of it where it runs."""
