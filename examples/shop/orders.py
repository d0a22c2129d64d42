"""Takes orders: looks up the price, reserves the packs, charges the card, tells the customer."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any
from urllib.parse import quote

from shoplib import Answer, Refused, Request, Service, call, log, whole_number

AT_MOST = 20  # packs in one order

service = Service()
numbers = itertools.count(1)
latest: deque[dict[str, Any]] = deque(maxlen=50)


@service.on("GET", "/orders")
def list_orders(request: Request) -> Answer:
    return Answer(200, {"orders": list(latest)})


@service.on("POST", "/orders")
def place_order(request: Request) -> Answer:
    wanted = request.json()
    quantity = whole_number(wanted, "quantity", AT_MOST)
    sku = quote(str(wanted.get("sku", "")), safe="")

    product = call("catalog", "GET", f"/products/{sku}")
    amount = product["price"] * quantity
    call("stock", "POST", f"/stock/{sku}/reserve", {"quantity": quantity})
    try:
        payment = call("payments", "POST", "/charges", {"amount": amount})
    except Refused:
        call("stock", "POST", f"/stock/{sku}/release", {"quantity": quantity})
        raise

    order = {
        "order": next(numbers),
        "sku": product["sku"],
        "quantity": quantity,
        "amount": amount,
        "charge": payment["charge"],
    }
    latest.appendleft(order)
    tell_customer(f"Thank you! {quantity} x {product['name']} is on its way.")
    return Answer(201, order)


def tell_customer(text: str) -> None:
    """An order stands whether or not its message could be sent."""
    try:
        call("notifications", "POST", "/messages", {"text": text})
    except Refused as refusal:
        log.info("no message: %s", refusal)


if __name__ == "__main__":
    service.run()
