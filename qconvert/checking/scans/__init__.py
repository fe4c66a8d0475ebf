"""Proofs about quantizers for all float32 numbers: verified thresholds, or every number."""
