"""What each source looks like: pure, independent modules that satisfy contract.Source. The catalogue is here."""

from __future__ import annotations

from luigi_tasks.sources import jsonplaceholder, sales_csv, wallhaven
from luigi_tasks.sources.contract import Source

CATALOGUE: dict[str, Source] = {
    wallhaven.NAME: wallhaven,
    jsonplaceholder.NAME: jsonplaceholder,
    sales_csv.NAME: sales_csv,
}
