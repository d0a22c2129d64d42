"""What the shop sells, and for how much. Knows nothing that changes, so there can be several of it."""

import json
import os
from pathlib import Path

from shoplib import Answer, Refused, Request, Service

service = Service()
products = json.loads((Path(__file__).parent / "data" / "catalog.json").read_text())


@service.on("GET", "/products")
def list_products(request: Request) -> Answer:
    # The port tells the replicas apart: ask twice, and another one answers.
    return Answer(200, {"products": products, "port": int(os.environ.get("PORT", "8000"))})


@service.on("GET", "/products/{sku}")
def show_product(request: Request, sku: str) -> Answer:
    for product in products:
        if product["sku"] == sku:
            return Answer(200, product)
    raise Refused(404, f"there is no {sku} here")


if __name__ == "__main__":
    service.run()
