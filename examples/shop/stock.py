"""How many packs are on the shelf. A reservation takes them off, a release puts them back."""

import json
import threading
from pathlib import Path

from shoplib import Answer, Refused, Request, Service, whole_number

AT_MOST = 1000  # packs in one request

service = Service()
full: dict[str, int] = json.loads((Path(__file__).parent / "data" / "stock.json").read_text())
shelf = dict(full)
shelf_lock = threading.Lock()  # every connection has a thread


@service.on("GET", "/stock")
def count(request: Request) -> Answer:
    with shelf_lock:
        return Answer(200, dict(shelf))


@service.on("POST", "/stock/{sku}/reserve")
def reserve(request: Request, sku: str) -> Answer:
    quantity = whole_number(request.json(), "quantity", AT_MOST)
    with shelf_lock:
        left = packs(sku)
        if left < quantity:
            shelf[sku] = full[sku]  # the delivery comes as soon as somebody has asked in vain
            raise Refused(409, f"only {left} of {sku} left; more is on its way")
        shelf[sku] = left - quantity
        return Answer(200, {"sku": sku, "left": shelf[sku]})


@service.on("POST", "/stock/{sku}/release")
def release(request: Request, sku: str) -> Answer:
    quantity = whole_number(request.json(), "quantity", AT_MOST)
    with shelf_lock:
        shelf[sku] = packs(sku) + quantity
        return Answer(200, {"sku": sku, "left": shelf[sku]})


def packs(sku: str) -> int:
    if sku not in shelf:
        raise Refused(404, f"there is no shelf for {sku}")
    return shelf[sku]


if __name__ == "__main__":
    service.run()
