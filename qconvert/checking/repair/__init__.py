"""Constants of an exported file moved until it returns TensorFlow's codes in every state."""
