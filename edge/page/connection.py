"""One connection of a browser, as uvicorn handles it, but for broken requests that can't be answered."""

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(H11Protocol):
    """uvicorn 0.54 answers every broken request with a text, and raises an error where none may be sent.

    That is so after HEAD, and where the answer has begun: the connection is then closed without a text.
    """

    def send_400_response(self, msg: str) -> None:
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.close()
