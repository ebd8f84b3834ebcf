"""The packages that gateways ask with: whose exception this is, and what its class says.

Law: names only. None of these packages is imported, none need be installed, and of Python's own no ssl nor socket.
"""

import contextlib
import errno
from collections.abc import Mapping
from typing import Final

from replay import reasons

_NAMES: Final[Mapping[str | None, str]] = {
    reasons.TIMEOUT: "APITimeoutError ConnectTimeout ModelRequestTimeout ModelTimeoutError Timeout TimeoutError"
    " TimeoutException",
    reasons.NETWORK: "APIConnectionError ChunkedEncodingError ClientConnectionError ClientPayloadError ConnectionError"
    " ContentDecodingError DecodingError HTTPException MaxRetryError ModelConnectionError NetworkError"
    " NewConnectionError ProtocolError TransportError URLError",
    reasons.RATE_LIMIT: "ModelRateLimitError",
    reasons.BILLING: "ModelQuotaExceededError",
    reasons.OVERLOADED: "ModelUnavailableError",
    reasons.SERVER_ERROR: "APIResponseValidationError ModelServerError",
    reasons.AUTH: "ModelAuthenticationError",
    reasons.MODEL_NOT_FOUND: "ModelNotFoundError",
    reasons.CONTEXT_OVERFLOW: "ContextWindowExceededError ModelContextWindowExceededError",
    reasons.CONTENT_FILTER: "ContentPolicyViolationError",
    reasons.INVALID_REQUEST: "ModelRequestRejectedError",
    reasons.UNKNOWN: "APIError ModelAPIError",
    # Requests that were wrongly made; the clients give them the network's root.
    None: "ImproperConnectionState InvalidURL UnsupportedProtocol",
}
"""Their classes by name, which stands for its subclasses too."""

_BY_NAME: Final = {name: reason for reason, names in _NAMES.items() for name in names.split()}
MORE_THAN_STATUS: Final = frozenset(
    {
        "APIConnectionError",  # to which litellm gives the status 500
        "ContentPolicyViolationError",
        "ContextWindowExceededError",
        "ModelContextWindowExceededError",
    }
)
"""Classes that say more than the status they carry."""

CLIENTS: Final = (
    *("aiohttp", "anthropic", "google.genai", "http", "httpcore", "httpcore2", "httpx", "httpx2", "litellm", "openai"),
    *("pydantic_ai", "requests", "urllib", "urllib3"),
)
FRAMEWORKS: Final = (
    *("aiohttp.web_exceptions", "aiohttp.web_response", "bottle", "django", "falcon", "fastapi", "flask", "litestar"),
    *("ninja", "pyramid", "quart", "rest_framework", "sanic", "starlette", "tornado.web", "werkzeug"),
)
"""Web servers: their errors and responses carry a status too, the one that the author wants to tell his own user."""

_UNCONNECTED: Final = frozenset({("socket", "gaierror"), ("ssl", "SSLError")})
"""Python's own classes, by module and name: to import them takes longer than all of ours."""

_UNREACHABLE: Final = frozenset({errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH})
"""Numbers of an OSError that has no class of its own, as a bare socket raises it."""


def get(value: object, name: str) -> object:
    """The attribute, or None: a property may raise, as that of a streamed response which was not read does."""
    with contextlib.suppress(Exception):
        return getattr(value, name, None)
    return None


def comes_from(value: object, packages: tuple[str, ...]) -> bool:
    """Whether the class, or one that it is made from, stands in one of these packages."""
    modules = (str(kind.__module__) for kind in type(value).__mro__)
    return any(module == package or module.startswith(f"{package}.") for module in modules for package in packages)


def by_class(error: Exception) -> tuple[str | None, str | None]:
    """The name of the class that says the most, and the reason that it stands for."""
    if isinstance(error, TimeoutError):
        return None, reasons.TIMEOUT
    kinds = {(kind.__module__, kind.__name__) for kind in type(error).__mro__}
    if isinstance(error, ConnectionError) or kinds & _UNCONNECTED:
        return None, reasons.NETWORK
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(number, int) and number in _UNREACHABLE:  # whoever raises it may have set anything
        return None, reasons.NETWORK
    for kind in type(error).__mro__:
        if kind.__name__ in _BY_NAME and any(f"{kind.__module__}.".startswith(f"{one}.") for one in CLIENTS):
            wrapped = isinstance(get(error, "reason"), TimeoutError)  # urllib's, of a connection not taken
            return kind.__name__, reasons.TIMEOUT if wrapped else _BY_NAME[kind.__name__]
    return None, None
