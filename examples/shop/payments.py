"""Charges cards; the bank says no above $CARD_LIMIT (in whole euros)."""

import itertools
import os

from shoplib import Answer, Refused, Request, Service, whole_number

AT_MOST = 100_000_000  # cents

service = Service()
limit = int(os.environ.get("CARD_LIMIT", "500")) * 100
numbers = itertools.count(1)


@service.on("POST", "/charges")
def charge(request: Request) -> Answer:
    amount = whole_number(request.json(), "amount", AT_MOST)
    if amount > limit:
        raise Refused(402, f"the card was declined: {amount / 100:.2f} is over its limit")
    return Answer(201, {"charge": next(numbers), "amount": amount})


if __name__ == "__main__":
    service.run()
