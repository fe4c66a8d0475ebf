"""What a model takes: bits, products, accumulators and memory, and how its weights are spread."""
