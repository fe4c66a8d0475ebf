"""Integer intervals and steps of every value, and the certificates that follow from them.

The place is kept by the import contracts; nothing is certified yet.
"""
