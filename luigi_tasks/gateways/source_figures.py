"""What a source's own tables say, for its report: a figure is shown where every table that it reads is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from luigi_tasks.gateways import selects

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class Figure:
    """One picture of a source's numbers. sql gives (label, value), for a table any columns; %(run)s is the run's key.

    kind: bars, columns (in the order given, for months and years) or table. money: values are amounts, not counts.
    """

    title: str
    reads: tuple[str, ...]
    sql: str
    kind: str = "bars"
    money: bool = False
    found: tuple[dict[str, Any], ...] = field(default=(), compare=False)


def _sales(title: str, view: str, label: str, kind: str = "bars") -> Figure:
    order = "1" if kind == "columns" else "2 desc, 1"
    sql = f"select {label} as label, revenue::double precision as value from draenei_content.{view} order by {order}"  # noqa: S608 - constants
    return Figure(title, (f"draenei_content.{view}",), sql, kind, money=True)


def _kaggle(title: str, table: str, measure: str, dimension: str, kind: str = "bars") -> Figure:
    order = "1" if kind == "columns" else "2 desc, 1 limit 15"
    sql = (
        f"select value as label, sum({measure})::bigint as value from draenei_content.{table}"  # noqa: S608 - constants
        f" where dimension = '{dimension}' group by value order by {order}"
    )
    return Figure(title, (f"draenei_content.{table}",), sql, kind)


def _people(title: str, key: str) -> Figure:
    sql = (
        f"select coalesce(u.payload ->> '{key}', '?') as label, count(distinct u.record_id) as value"  # noqa: S608 - constants
        " from ops.pages p join ops.loads l using (page_id)"
        " join raw.randomuser_users u on u.body_sha256 = l.body_sha256"
        " where p.run_key = %(run)s group by 1 order by 2 desc, 1 limit 15"
    )
    return Figure(title, ("raw.randomuser_users",), sql)


FIGURES: dict[str, tuple[Figure, ...]] = {
    "randomuser": (
        _people("People of this run by nationality", "nat"),
        _people("People of this run by gender", "gender"),
    ),
    "sales": (
        _sales("Revenue by month", "sales_by_month", "to_char(month_start, 'YYYY-MM')", "columns"),
        _sales("Revenue by product line", "sales_by_product_line", "product_line"),
        _sales("Revenue by territory", "sales_by_territory", "territory"),
        Figure(
            "Top customers",
            ("draenei_content.top_customers",),
            "select place, customer_name as customer, country, orders, revenue::double precision as revenue"
            " from draenei_content.top_customers order by place limit 10",
            "table",
        ),
    ),
    "kaggle": (
        _kaggle("Products by category", "kaggle_product_counts", "products", "master_category"),
        _kaggle("Products by colour", "kaggle_product_counts", "products", "base_colour"),
        _kaggle("Products by season", "kaggle_product_counts", "products", "season"),
        _kaggle("Products by gender", "kaggle_product_counts", "products", "gender"),
        _kaggle("Products by year", "kaggle_product_counts", "products", "season_year", "columns"),
        _kaggle("Pictures by shape", "kaggle_picture_counts", "pictures", "shape"),
        _kaggle(
            "Pictures by brightness, from black (0) to white (1)",
            "kaggle_picture_counts",
            "pictures",
            "brightness",
            "columns",
        ),
        _kaggle("Pictures by size in pixels", "kaggle_picture_counts", "pictures", "size"),
    ),
}


def of_source(cursor: Cursor, source: str, run_key: str) -> list[Figure]:
    """The source's figures with what was found; one whose tables are missing, or that finds nothing, is left out."""
    figures = FIGURES.get(source, ())
    there = selects.existing(cursor, [name for figure in figures for name in figure.reads])
    shown = []
    for figure in figures:
        if there.issuperset(figure.reads) and (rows := selects.rows(cursor, figure.sql, {"run": run_key})):
            facts = (figure.title, figure.reads, figure.sql, figure.kind, figure.money)
            shown.append(Figure(*facts, found=tuple(rows)))
    return shown
