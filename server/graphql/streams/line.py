"""A connection that an application may break off in the middle of a response, as HTTP says that it was not all."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HANG_UP = "hang_up"  # in the state of a request's scope
LINGER_SECONDS = 5.0


class Line(HttpToolsProtocol):
    """uvicorn's, which by itself lets an application end a response or leave it unended with an error in the log."""

    def on_message_begin(self) -> None:
        """Show each request the way to hang up."""
        super().on_message_begin()
        self.scope["state"][HANG_UP] = self._hang_up

    def _hang_up(self) -> None:
        """Send what was written and close; a reader who takes none of it does not hold us for long."""
        self.transport.close()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)
