"""What each source looks like: pure, independent modules that satisfy contract.Source. The catalogue is here."""

from __future__ import annotations

from luigi_tasks.sources import jsonplaceholder, kaggle, randomuser, sales_csv, wallhaven
from luigi_tasks.sources.contract import Source

CATALOGUE: dict[str, Source] = {
    wallhaven.NAME: wallhaven,
    jsonplaceholder.NAME: jsonplaceholder,
    randomuser.NAME: randomuser,
    kaggle.NAME: kaggle,
    sales_csv.NAME: sales_csv,
}
