"""Why an attempt failed, and what each reason means for the model.

Law: pure data and pure questions about it.

A reason either *blames* the model (it enters the tried set and cools) or tells of something that is not the
model's fault: a request that is too long or malformed fails everywhere, a user who stops a run proves nothing.
"""

from typing import Final

RATE_LIMIT: Final = "rate_limit"
OVERLOADED: Final = "overloaded"
SERVER_ERROR: Final = "server_error"
TIMEOUT: Final = "timeout"
NETWORK: Final = "network"
AUTH: Final = "auth"
BILLING: Final = "billing"
MODEL_NOT_FOUND: Final = "model_not_found"
UNKNOWN: Final = "unknown"

CONTEXT_OVERFLOW: Final = "context_overflow"
INVALID_REQUEST: Final = "invalid_request"
CONTENT_FILTER: Final = "content_filter"
ABORTED: Final = "aborted"
REDIRECTED: Final = "redirected"

BLAMING: Final = frozenset(
    {RATE_LIMIT, OVERLOADED, SERVER_ERROR, TIMEOUT, NETWORK, AUTH, BILLING, MODEL_NOT_FOUND, UNKNOWN}
)
BLAMELESS: Final = frozenset({CONTEXT_OVERFLOW, INVALID_REQUEST, CONTENT_FILTER, ABORTED, REDIRECTED})

PROVIDER_WIDE: Final = frozenset({AUTH, BILLING})
"""A bad key or an empty account fails every model of the provider."""

FINAL: Final = frozenset({INVALID_REQUEST, ABORTED})
"""No other model would do better: the error goes back to the caller instead of down the chain."""


def canonical(reason: str) -> str:
    """The reason that rules are written for: an unheard-of one counts as ``unknown``."""
    return reason if reason in BLAMING or reason in BLAMELESS else UNKNOWN


def blames(reason: str) -> bool:
    """Whether a failure for this reason puts the model into the tried set."""
    return reason not in BLAMELESS


def provider_of(model: str) -> str:
    """The provider of ``provider/model-id``: what stands before the first ``/``, or the whole name without one."""
    return model.partition("/")[0]
