"""What must be right before a part of the service starts: said in a line, not by a dead process."""

from __future__ import annotations

from convq.given_redis import check_redis
from core.errors import InvalidInput
from core.settings import Settings


def check_surroundings(settings: Settings) -> None:
    """Make sure that the Redis and the store of the settings can be used.

    Raises
    ------
    Unavailable
        If Redis does not answer within a few seconds.
    InvalidInput
        If the store's URL is none.
    """
    check_store_url(settings.store_url)
    check_redis(settings.redis_url)


def check_store_url(url: str) -> None:
    """Make sure that a store's URL is of a kind that is known; does not look whether it is there.

    Raises
    ------
    InvalidInput
        If it is not, or something that belongs to it is missing.

    Examples
    --------
    >>> check_store_url("convq-data/artifacts")
    >>> check_store_url("s3://bucket")
    """
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    if "://" not in url:
        return
    try:
        from_url(url)
    except (BaseError, ValueError) as error:
        raise InvalidInput(
            str(error).splitlines()[0],
            field="CONVQ_STORE_URL",
            given=url,
            accepted="a folder, s3://BUCKET, gs://BUCKET or az://CONTAINER",
        ) from error
