"""The headers that tell how a client stands with its limits, as draft-ietf-httpapi-ratelimit-headers-10 has them."""

import math

from server.origins import Headers
from storage.allowances import Spending


def describe(spending: Spending) -> Headers:
    """What a request has spent, and when a refused one may come back; a name is the allowance's."""
    latest = {standing.name: standing for standing in spending.standings}.values()
    policies = ", ".join(f'"{one.name}";q={one.limit};w={one.seconds}' for one in latest)
    limits = ", ".join(f'"{one.name}";r={one.remaining};t={math.ceil(one.restored_seconds)}' for one in latest)
    headers = (("RateLimit-Policy", policies), ("RateLimit", limits))
    if spending.retry_after_seconds is None:
        return headers
    return (*headers, ("Retry-After", str(math.ceil(spending.retry_after_seconds))))
