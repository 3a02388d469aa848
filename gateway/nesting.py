"""How deep the free-form JSON of strangers may be nested."""

from gateway.errors import FieldError

MAX_NESTING = 32


def check_nesting(value: object, path: str) -> list[FieldError]:
    """What is wrong with free-form `data`, which is read and written again at many depths of the stack.

    JSON at the very limit of one reader's recursion would be a message that no sender can read.
    """
    if _is_deeper(value, MAX_NESTING):
        return [FieldError(path, f"Objects and lists are nested more than {MAX_NESTING} deep.")]
    return []


def _is_deeper(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        return not levels or any(_is_deeper(each, levels - 1) for each in value.values())
    if isinstance(value, list):
        return not levels or any(_is_deeper(each, levels - 1) for each in value)
    return False
