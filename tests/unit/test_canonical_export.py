"""Every model of the dbt project is in the canonical export, or is left out by name and for a reason."""

from __future__ import annotations

from pathlib import Path

from luigi_tasks.gateways import canonical_export
from luigi_tasks.sources import CATALOGUE

MODELS = Path(__file__).parents[2] / "dbt_project" / "models"
OF_PICTURES = "made of stored pictures, which a replay does not download"
OF_UPLOADS = "what is still to do, by the uploads that the raw zone does not hold"
OF_THE_LAKE = "made of the files in the lake, whose ledger is no response's"
NO_ROWS_OF_ITS_OWN = "a view over tables of the export"
LEFT_OUT = {
    "pending_uploads": OF_UPLOADS,
    "pending_details": OF_UPLOADS,
    "int_wallpaper_uploads": OF_UPLOADS,
    "int_picture_hashes": OF_PICTURES,
    "int_picture_bands": OF_PICTURES,
    "duplicate_pairs": OF_PICTURES,
    "duplicate_clusters": OF_PICTURES,
    "kaggle_images": OF_THE_LAKE,
    "kaggle_duplicate_pairs": OF_THE_LAKE,
    "kaggle_duplicate_clusters": OF_THE_LAKE,
    "kaggle_product_images": OF_THE_LAKE,
    "kaggle_product_counts": OF_THE_LAKE,
    "kaggle_picture_counts": OF_THE_LAKE,
    "int_wallpaper_observations": NO_ROWS_OF_ITS_OWN,
    "int_sales_customers": NO_ROWS_OF_ITS_OWN,
    "int_sales_products": NO_ROWS_OF_ITS_OWN,
    "dim_dates": NO_ROWS_OF_ITS_OWN,
    "sales_by_month": NO_ROWS_OF_ITS_OWN,
    "sales_by_product_line": NO_ROWS_OF_ITS_OWN,
    "sales_by_territory": NO_ROWS_OF_ITS_OWN,
    "top_customers": NO_ROWS_OF_ITS_OWN,
    "jsonplaceholder_dangling": NO_ROWS_OF_ITS_OWN,
    "randomuser_people": NO_ROWS_OF_ITS_OWN,
    "randomuser_missing_minutes": "by the runs that were complete: circumstances of runs, not responses",
    "run_audit": "circumstances of runs",
    "wallpaper_lifecycle": "cites sweeps, uploads and takedowns beside the responses",
}


def test_every_model_is_exported_or_left_out_by_name() -> None:
    models = {path.stem for path in MODELS.rglob("*.sql") if not path.stem.startswith("stg_")}
    tables = [table.name for source in CATALOGUE for table in canonical_export.tables_of(source)]
    exported = {name.partition(".")[2] for name in tables if name.startswith("draenei_")}
    assert len(models) > 30
    assert models - exported == LEFT_OUT.keys()
