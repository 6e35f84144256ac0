"""The duplicates of a source as the gallery's queries take them in: pairs, clusters, and what is near each picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.gateways import selects

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

WITH = """
pairs as ({pairs}),
clusters as ({clusters}),
near as (
    select id, json_agg(json_build_array(other, distance, kind) order by distance, other) as found
    from (
        select {picture}_a as id, {picture}_b as other, distance, kind from pairs
        union all
        select {picture}_b, {picture}_a, distance, kind from pairs
    ) as both_ways
    where other in ({shown})
    group by id
)"""


@dataclass(frozen=True)
class Duplicates:
    """pairs, clusters: a source's models; picture: their column that names a picture, with _a and _b in the pairs."""

    pairs: str
    clusters: str
    picture: str

    def queries(self, cursor: Cursor, shown: str) -> str:
        """Three common table expressions, empty before dbt has made the models. shown: a select of the pictures."""
        if selects.exists(cursor, self.pairs) and selects.exists(cursor, self.clusters):
            pairs, clusters = f"select * from {self.pairs}", f"select * from {self.clusters}"  # noqa: S608
        else:
            pairs = f"select '' as {self.picture}_a, '' as {self.picture}_b, 0 as distance, '' as kind where false"
            clusters = f"select '' as {self.picture}, '' as cluster_id, false as is_canonical where false"
        return WITH.format(pairs=pairs, clusters=clusters, picture=self.picture, shown=shown)
