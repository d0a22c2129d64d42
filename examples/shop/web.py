"""The page that people see. Asks catalog and stock for what is on it, and orders for what is bought."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qs

from shoplib import Answer, Refused, Request, Service, call, log

NOTICES = {
    "201": ("good", "Thank you! Your tea is on its way."),
    "402": ("bad", "Your card was declined. Nothing was charged."),
    "409": ("bad", "Somebody was faster. More is on its way, try again."),
}
SORRY = ("bad", "Sorry, that did not work. Please try again.")

service = Service()
title = os.environ.get("SHOP_TITLE", "Kettle & Leaf")
page = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
card = Template((Path(__file__).parent / "card.html").read_text(encoding="utf-8"))


@service.on("GET", "/")
def show_shop(request: Request) -> Answer:
    catalog = call("catalog", "GET", "/products")
    try:
        stock = call("stock", "GET", "/stock")
    except Refused as refusal:  # a shop that cannot count can still sell
        log.info("no stock: %s", refusal)
        stock = {}
    html = page.substitute(
        title=escape(title),
        notice=show_notice(parse_qs(request.query).get("order", [""])[0]),
        cards="".join(show_card(product, stock.get(product["sku"])) for product in catalog["products"]),
        port=catalog["port"],
    )
    return Answer(200, html)


@service.on("POST", "/order")
def place_order(request: Request) -> Answer:
    """The form's answer is a redirect, so that reloading the page does not order again."""
    form = parse_qs(request.body.decode(errors="replace"))
    quantity = form.get("quantity", ["1"])[0]
    wanted = {"sku": form.get("sku", [""])[0], "quantity": int(quantity) if quantity.isdecimal() else 0}
    try:
        call("orders", "POST", "/orders", wanted)
        status = 201
    except Refused as refusal:
        status = refusal.status
    return Answer(303, "", {"Location": f"/?order={status}"})


def show_notice(status: str) -> str:
    if not status:
        return ""
    kind, text = NOTICES.get(status, SORRY)
    return f'<p class="notice {kind}" role="status">{text}</p>'


def show_card(product: dict[str, Any], left: int | None) -> str:
    if left is None:
        level, text = "unknown", "stock not known"
    elif left == 0:
        level, text = "none", "sold out"
    else:
        level, text = ("few" if left < 10 else "many"), f"{left} packs left"
    euros = f"{product['price'] / 100:,.2f}"
    known = {name: escape(product[name]) for name in ("sku", "name", "origin", "colour")}
    return card.substitute(known, price=euros, level=level, left=text)


if __name__ == "__main__":
    service.run()
