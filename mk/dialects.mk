# make dialects   the models that BigQuery and Redshift are promised, compiled by dbt's own adapters, offline

.PHONY: dialects

dialects: setup-dev $(VENV)/.dialects ## Kaggle's models for BigQuery and those of sales for Redshift: compiled, parsed
	@DRAENEI_DIALECTS_DBT=$(VENV)/dialects/bin/dbt $(BIN)/python -m pytest -q -n 0 -m "prove or not prove" tests/unit/test_bigquery.py tests/unit/test_redshift.py

# An environment of their own: the clients of two clouds are nothing that the pipeline runs with.
$(VENV)/.dialects: $(VENV)/.created requirements-dialects.txt
	@echo "installing requirements-dialects.txt (hashes checked)"
	@$(BIN)/python -m venv $(VENV)/dialects
	@$(VENV)/dialects/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dialects.txt
	@touch $@
