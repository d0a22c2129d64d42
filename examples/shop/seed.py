"""Fills the warehouse: writes data/catalog.json and data/stock.json. Runs to its end before the shop opens."""

import json
from pathlib import Path

DATA = Path(__file__).parent / "data"

# sku, name, where from, price of 100 g in cents, what a cup of it looks like, packs on the shelf
TEAS = [
    ("sencha", "Sencha", "Uji, Japan", 1450, "#a9bf4f", 120),
    ("earl-grey", "Earl Grey", "Nuwara Eliya, Sri Lanka", 980, "#b4672a", 200),
    ("rooibos", "Rooibos", "Cederberg, South Africa", 790, "#bf4526", 160),
    ("hibiscus", "Hibiscus", "Aswan, Egypt", 650, "#b01c47", 90),
    ("chamomile", "Chamomile", "Bohemia, Czechia", 720, "#e0b63a", 75),
    ("butterfly-pea", "Butterfly Pea", "Chiang Mai, Thailand", 1180, "#4a5cc0", 40),
    ("genmaicha", "Genmaicha", "Shizuoka, Japan", 1090, "#c7b46a", 3),
    ("da-hong-pao", "Da Hong Pao", "Wuyi, China", 98000, "#8a3b1c", 5),
]


def main() -> None:
    catalog = [
        {"sku": sku, "name": name, "origin": origin, "price": price, "colour": colour}
        for sku, name, origin, price, colour, _ in TEAS
    ]
    stock = {sku: packs for sku, *_, packs in TEAS}
    DATA.mkdir(exist_ok=True)
    (DATA / "catalog.json").write_text(json.dumps(catalog, indent=2))
    (DATA / "stock.json").write_text(json.dumps(stock, indent=2))
    print(f"{len(catalog)} teas, {sum(stock.values())} packs")


if __name__ == "__main__":
    main()
