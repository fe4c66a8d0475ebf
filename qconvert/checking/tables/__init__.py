"""Proofs by tables: all that a quantizer can get, and what rounding could make of it."""
