"""Every model of the dbt project is in the canonical export, or is left out by name and for a reason."""

from __future__ import annotations

from pathlib import Path

from luigi_tasks.gateways import canonical_export
from luigi_tasks.sources import CATALOGUE

MODELS = Path(__file__).parents[2] / "dbt_project" / "models"
OF_PICTURES = "made of stored pictures: tests/integration/test_replay_pictures.py measures them again and compares"
OF_UPLOADS = "what is still to do, and what was tried in vain: by uploads that the raw zone does not hold"
OF_THE_LAKE = "made of the files in the lake, whose ledger is no response's; a replay opens no archive again"
OF_RUNS = "how runs ended and when: a replay enters runs from their responses, which say neither"
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
    "randomuser_missing_minutes": OF_RUNS,
    "run_audit": OF_RUNS,
}


def test_every_model_is_exported_or_left_out_by_name() -> None:
    models = {path.stem for path in MODELS.rglob("*.sql") if not path.stem.startswith("stg_")}
    tables = [table.name for source in CATALOGUE for table in canonical_export.tables_of(source)]
    exported = {name.partition(".")[2] for name in tables if name.startswith("draenei_")}
    assert len(models) > 30
    assert models - exported == LEFT_OUT.keys()
