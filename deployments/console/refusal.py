"""A request that the console does not do: the status and the sentence that the person sees."""


class RefusalError(Exception):
    """Ends a request; the page says why and what to do."""

    def __init__(self, status: int, message: str, **words: object) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.words = words
