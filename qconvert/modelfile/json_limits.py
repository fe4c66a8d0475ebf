"""JSON of model files, answers and reports: strict, and within the limits of what is read."""

from collections.abc import Collection

from qconvert.modelfile.limits import DEFAULT_LIMITS, Limits
from qconvert.modelfile.malformed import BeyondLimitError, MalformedError
from qconvert.strict_json import Json, JsonError, TooDeepError, TooManyError, parsed_object


def parse_object(
    source: bytes | str,
    what: str,
    limits: Limits = DEFAULT_LIMITS,
    unread: Collection[str] = (),
) -> dict[str, Json]:
    """Parse *source*, which errors call *what*; `MalformedError` if it is no strict JSON object.

    What it has under the keys *unread* is left out, whatever is in it.
    """
    if len(source) > limits.config_bytes:
        raise BeyondLimitError("QC208", f"{what} is too large: {limits.of('config_bytes')}")
    try:
        return parsed_object(source, what, limits.json_depth, limits.json_values, unread)
    except TooManyError as error:
        raise BeyondLimitError(error.code, f"{error}: {limits.of('json_values')}") from None
    except TooDeepError as error:
        raise MalformedError(error.code, f"{error}: {limits.of('json_depth')}") from None
    except JsonError as error:
        raise MalformedError(error.code, str(error)) from None
