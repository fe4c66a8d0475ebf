"""The error inside this package for bytes that are not what they should be."""


class MalformedError(Exception):
    """What is wrong with the bytes at hand; `read_model` adds which file they came from."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
