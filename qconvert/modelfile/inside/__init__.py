"""The isolated reader, started by the path of this folder; nothing of qconvert imports it."""
