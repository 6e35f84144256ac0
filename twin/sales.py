"""A stand-in of the system that files of sales come from: `raw_sales.csv`, which changes from visit to visit.

Its numbers are those of the published sample data: 2,823 order lines of 307 orders of 109 products in 7 lines, 92
customers, 2003-01-06 to 2005-05-31, and 1,306 lines whose SALES is not QUANTITYORDERED × PRICEEACH, because the price
is capped at 100. Everything in it is invented.
"""

from __future__ import annotations

import csv
import datetime
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from twin.messages import Request, Response, error_answer

LINES, ORDERS, PRODUCTS, CUSTOMERS, CAPPED = 2823, 307, 109, 92, 1306
CAP = Decimal(100)
FIRST_DAY, LAST_DAY = datetime.date(2003, 1, 6), datetime.date(2005, 5, 31)
FILE = "raw_sales.csv"
ENCODINGS = ("cp1252", "utf-8-sig", "utf-8")
COLUMNS = (
    *("ORDERDATE", "SHIPDATE", "ORDERNUMBER", "ORDERLINENUMBER", "PRODUCTCODE", "PRODUCTLINE", "MSRP", "CUSTOMERID"),
    *("CUSTOMERNAME", "CITY", "COUNTRY", "TERRITORY", "CONTACTLASTNAME", "CONTACTFIRSTNAME", "QUANTITYORDERED"),
    *("PRICEEACH", "SALES", "STATUS"),
)
PRODUCT_LINES = ("Classic Cars", "Vintage Cars", "Motorcycles", "Planes", "Trucks and Buses", "Ships", "Trains")
PLACES = (
    *(("NYC", "USA", "NA"), ("Boston", "USA", "NA"), ("Montréal", "Canada", "NA"), ("Madrid", "Spain", "EMEA")),
    *(("Ítaca", "Spain", "EMEA"), ("Münster", "Germany", "EMEA"), ("Luleå", "Sweden", "EMEA")),
    *(("Genève", "Switzerland", "EMEA"), ("Århus", "Denmark", "EMEA"), ("Melbourne", "Australia", "APAC")),
    *(("Singapore", "Singapore", "APAC"), ("Osaka", "Japan", "Japan"), ("Minato-ku", "Japan", "Japan")),
)
TRADES = ("Toys", "Replicas", "Collectables", "Models", "Souvenirs", "Miniatures", "Gifts")
FORMS = ("Ltd.", "Inc.", "& Söhne", '"Le Petit"', "Co.", "S.A.")
LAST_NAMES = ("Müller", "O'Hara", "Da Costa", "Núñez", "Larsson", "Yu", "Saveley", "Tanaka", "Devereux", "King")
FIRST_NAMES = ("José", "Ann", "Martín", "Françoise", "Kwai", "Jürgen", "Yoshi", "Mary", "Åsa", "Leslie")
STATUSES = ("Shipped",) * 40 + ("Cancelled", "Resolved", "On Hold", "In Process", "Disputed")


@dataclass(frozen=True)
class Product:
    """A product as a file shows it."""

    code: str
    line: str
    msrp: int


@dataclass(frozen=True)
class Customer:
    """A customer as a file shows it."""

    id: str
    name: str
    place: tuple[str, str, str]
    contact: tuple[str, str]


@dataclass(frozen=True)
class Line:
    """An order line. price: what was asked, of which the file shows at most 100."""

    order: int
    number: int
    day: datetime.date
    product: str
    customer: str
    quantity: int
    price: Decimal
    status: str


@dataclass
class Books:
    """Everything that the system knows at a time."""

    products: dict[str, Product] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    without: set[str] = field(default_factory=set)
    """Products and customers whose lines the extract leaves out."""

    def rows(self) -> Iterator[tuple[object, ...]]:
        """The cells of each line of the extract."""
        for line in self.lines:
            if not self.without & {line.product, line.customer}:
                yield self._cells(line)

    def _cells(self, line: Line) -> tuple[object, ...]:
        product, customer = self.products[line.product], self.customers[line.customer]
        shipped = "" if line.status in {"On Hold", "In Process"} else _american(line.day + datetime.timedelta(days=3))
        return (
            *(_american(line.day), shipped, line.order, line.number, product.code, product.line, product.msrp),
            *(customer.id, customer.name, *customer.place, *customer.contact),
            *(line.quantity, _short(min(line.price, CAP)), _short(line.quantity * line.price), line.status),
        )


def books(visit: int = 0, seed: int = 1) -> Books:
    """What the system knows at a visit: the sample data, and what changed before each visit after the first."""
    known = _opening_books(random.Random(f"{seed}/opening"))
    for number in range(1, visit + 1):
        _change(known, number, random.Random(f"{seed}/{number}"))
    return known


def extract(visit: int = 0, seed: int = 1) -> bytes:
    """The file of a visit: cp1252 at first, UTF-8 with a mark next, UTF-8 from then on; from visit 1 a line is bad."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    rows = list(books(visit, seed).rows())
    writer.writerows(rows)
    if visit:  # the bad line is a new one, of a product and a customer that others show as well
        bad = dict(zip(COLUMNS, rows[visit], strict=True)) | {"ORDERNUMBER": 90_000 + visit, "PRICEEACH": "95,70"}
        writer.writerow(bad.values())
    return text.getvalue().encode(ENCODINGS[min(visit, len(ENCODINGS) - 1)])


class Sales:
    """The site that the file stands on. visit: which of its states."""

    NAME = "sales"

    def __init__(self, visit: int = 0, seed: int = 1) -> None:
        self.visit, self.seed = visit, seed

    def answer(self, request: Request) -> Response:
        """The file, 404 for anything else."""
        if request.path != f"/{FILE}":
            return error_answer(404, "no such file")
        return Response(200, extract(self.visit, self.seed), "text/csv")


def demo_site(visits: int) -> Sales:
    """As the demo has it after so many visits."""
    return Sales(visits)


def demo_settings(address: str, file_host: str) -> dict[str, str]:
    """Where the file is."""
    return {"SALES_FILE": f"{address}/{FILE}"}


def _opening_books(chance: random.Random) -> Books:
    products = {
        code: Product(code, chance.choices(PRODUCT_LINES, (40, 24, 13, 12, 11, 9, 3))[0], chance.randint(33, 214))
        for code in (f"S{chance.choice((10, 12, 18, 24, 32, 50, 700))}_{1000 + 17 * n}" for n in range(PRODUCTS))
    }
    customers = {f"C{n:03}": _customer(chance, n) for n in range(1, CUSTOMERS + 1)}
    sizes = _sizes(chance)
    capped = set(chance.sample(range(LINES), CAPPED))
    lines: list[Line] = []
    for order, size in enumerate(sizes):
        day = FIRST_DAY + (LAST_DAY - FIRST_DAY) * order / (ORDERS - 1)
        customer = list(customers)[order % CUSTOMERS]
        status = chance.choice(STATUSES)
        for number, product in enumerate(chance.sample(list(products), size), start=1):
            cents = chance.randint(10_001, 25_000) if len(lines) in capped else chance.randint(2_688, 9_999)
            price, quantity = Decimal(cents) / 100, chance.randint(6, 97)
            lines.append(Line(10_100 + order, number, day, product, customer, quantity, price, status))
    return Books(products, customers, lines)


def _sizes(chance: random.Random) -> list[int]:
    """How many lines each order has, 1 to 18."""
    sizes = [1] * ORDERS
    while sum(sizes) < LINES:
        order = chance.randrange(ORDERS)
        sizes[order] += sizes[order] < 18
    return sizes


def _customer(chance: random.Random, number: int) -> Customer:
    name = f"{chance.choice(LAST_NAMES)} {chance.choice(TRADES)} {number}, {chance.choice(FORMS)}"
    return Customer(f"C{number:03}", name, chance.choice(PLACES), _contact(chance))


def _contact(chance: random.Random) -> tuple[str, str]:
    return chance.choice(LAST_NAMES), chance.choice(FIRST_NAMES)


def _change(known: Books, visit: int, chance: random.Random) -> None:
    """Three customers get another contact, two products another price, one of each leaves, lines come late and new."""
    for customer in chance.sample(sorted(known.customers), 3):
        known.customers[customer] = replace(known.customers[customer], contact=(f"New{visit}", "Åke"))
    for product in chance.sample(sorted(known.products), 2):
        known.products[product] = replace(known.products[product], msrp=known.products[product].msrp + visit)
    # Whoever left before the last visit is back.
    known.without = {chance.choice(sorted(known.products)), chance.choice(sorted(known.customers))}
    late, new = FIRST_DAY + datetime.timedelta(days=7 * visit), LAST_DAY + datetime.timedelta(days=visit)
    for order, day in ((20_000 + visit, late), (30_000 + visit, new)):
        first = chance.choice(known.lines)
        known.lines.append(replace(first, order=order, number=1, day=day, status="Shipped"))


def _american(day: datetime.date) -> str:
    return f"{day.month}/{day.day}/{day.year} 0:00"


def _short(amount: Decimal) -> str:
    """2871 rather than 2871.00, as the sample data has it."""
    return f"{amount:.2f}".rstrip("0").rstrip(".")
