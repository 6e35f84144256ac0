"""dbt's documentation as one page beside the reports; made when it is asked for, because it takes seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import dbt_login, dbt_profile, warehouse_roles, whole_file
from luigi_tasks.gateways.dbt import Dbt
from luigi_tasks.settings import Settings
from luigi_tasks.steps import reports


def write(settings: Settings) -> Path:
    """Write reports/dbt.html, which later reports link to. Raises ModelError."""
    folder = settings.draenei_home / "dbt"
    dbt_profile.write_profile(folder, None)
    role = warehouse_roles.TRANSFORMER if dbt_login.is_own(settings) else ""
    variables = {**dbt_login.address(settings), "DRAENEI_DBT_ROLE": role}
    made = Dbt(variables, folder).document(Silent())
    destination = reports.folder(settings) / "dbt.html"
    with whole_file.writing(destination) as unfinished:
        shutil.copyfile(made, unfinished)
    return destination
