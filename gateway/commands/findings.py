"""What `check` prints."""


class Findings:
    """Prints what was found as it is found."""

    def __init__(self) -> None:
        self.problems = 0

    def good(self, what: str, text: str) -> None:
        print(f"ok       {what:<12} {text}")

    def warn(self, what: str, text: str) -> None:
        print(f"warning  {what:<12} {text}")

    def bad(self, what: str, text: str) -> None:
        self.problems += 1
        print(f"FIX      {what:<12} {text}")
