"""The duplicates of a source as the gallery's queries take them in: pairs, clusters, and what is near each picture.

In the models the first of the pictures with the same bytes stands for all of them, and it need not be one that is
shown: here the first that is shown does, and each of them has what is near their bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.gateways import selects

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

WITH = """
pairs as ({pairs}),
clusters as ({clusters}),
bodies as (
    select s.id, coalesce(p.{picture}_a, s.id) as body
    from ({shown}) as s (id)
    left join pairs as p on s.id = p.{picture}_b and p.kind = 'exact'
),
standing as (
    select body, min(id collate "C") collate "default" as id from bodies group by body
),
copies as (
    select b.id, s.id as first_id from bodies as b join standing as s on b.body = s.body and b.id <> s.id
),
near as (
    select id, json_agg(json_build_array(other, distance, kind) order by distance, other) as found
    from (
        select id, first_id as other, 0 as distance, 'exact' as kind from copies
        union all
        select first_id, id, 0, 'exact' from copies
        union all
        select b.id, s.id, p.distance, p.kind
        from (
            select {picture}_a as one, {picture}_b as other, distance, kind from pairs where kind <> 'exact'
            union all
            select {picture}_b, {picture}_a, distance, kind from pairs where kind <> 'exact'
        ) as p
        join bodies as b on p.one = b.body
        join standing as s on p.other = s.body
    ) as both_ways
    group by id
)"""


@dataclass(frozen=True)
class Duplicates:
    """pairs, clusters: a source's models; picture: their column that names a picture, with _a and _b in the pairs."""

    pairs: str
    clusters: str
    picture: str

    def queries(self, cursor: Cursor, shown: str) -> str:
        """Common table expressions: pairs, clusters, standing, near; empty before dbt has made the models.

        shown: a select of the pictures.
        """
        if selects.exists(cursor, self.pairs) and selects.exists(cursor, self.clusters):
            pairs, clusters = f"select * from {self.pairs}", f"select * from {self.clusters}"  # noqa: S608
        else:
            pairs = f"select '' as {self.picture}_a, '' as {self.picture}_b, 0 as distance, '' as kind where false"
            clusters = f"select '' as {self.picture}, '' as cluster_id, false as is_canonical where false"
        return WITH.format(pairs=pairs, clusters=clusters, picture=self.picture, shown=shown)
