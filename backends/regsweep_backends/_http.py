"""What the SDKs of Azure and Google have below them in common: requests, and what they let through of all they use."""

from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

STRAY: Final = (
    OSError,
    HTTPError,
    HTTPException,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What comes out of an SDK beside its own errors: those of the libraries below it, and those of its parsers where an
answer is not of the form that they count on."""

_NOTHING: Final = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class WholeAnswers(HTTPAdapter):
    """Sends requests, follows no answer elsewhere, and takes none for one that broke off among its headers.

    To Python's client the end of the connection ends the headers too, and whatever was in them: a page of nothing.
    Both services say how long an answer is, or send it in chunks.
    """

    def build_response(self, req: "PreparedRequest", resp: Any) -> "Response":  # noqa: ANN401 - as the base class has it
        """See `HTTPAdapter.build_response`.

        Raises:
            ChunkedEncodingError: nothing tells where the answer ends.
        """
        told = "Content-Length" in resp.headers or "Transfer-Encoding" in resp.headers
        if not told and req.method != "HEAD" and resp.status not in _NOTHING:
            resp.close()
            raise ChunkedEncodingError("the answer broke off among its headers")
        # Neither service leads elsewhere. Whoever follows makes a reading of a deletion, and takes that for done.
        resp.headers.pop("Location", None)
        return super().build_response(req, resp)
