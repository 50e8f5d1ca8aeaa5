"""What a step finds broken, in the words of whoever has to mend it."""

BODY_CHARACTERS = 300


class Broken(Exception):
    """A deployment does not do what it should: what was expected, what came, and what to try."""

    def __init__(self, expected: str, came: object, *, hint: str = "", request_id: str = "") -> None:
        self.expected, self.came, self.hint, self.request_id = expected, excerpt(came), hint, request_id
        super().__init__(f"expected {expected}; came {self.came}")


def excerpt(came: object) -> str:
    """As much of an answer as a terminal can bear, on one line."""
    text = " ".join(str(came).split())
    return text if len(text) <= BODY_CHARACTERS else f"{text[:BODY_CHARACTERS]}…"
