"""TensorFlow and QKeras as a witness: a stand-alone program that imports nothing of qconvert."""
