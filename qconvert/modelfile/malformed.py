"""The errors inside this package for bytes that are not what they should be."""


class MalformedError(Exception):
    """What is wrong with the bytes at hand; `read_model` adds which file they came from."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BeyondLimitError(MalformedError):
    """More of something than a limit allows; the message says how to raise it."""
