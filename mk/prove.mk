# make prove        every guarantee by its proofs, about ten minutes on 4 cores; writes docs/guarantees.md
# make prove-power  plants bugs, a patch each, and expects the tests to fail
# make prove-load   100,000 records and 10,000 pictures, one request in twenty faulted
# make prove-dialects  the models compile for Redshift and BigQuery; their adapters go to an environment of their own

DIALECTS := 'dbt-redshift==1.10.*' 'dbt-bigquery==1.11.*' pytest pytest-xdist pytest-timeout sqlfluff

.PHONY: prove prove-power prove-load prove-dialects

prove: setup-dev ## every guarantee by all its proofs: ten minutes, writes docs/guarantees.md
	@$(BIN)/python -m tests.prove --write $(PROVE_OPTIONS)

prove-power: setup-dev ## plants known bugs and expects the tests to notice
	@$(BIN)/python -m tests.prove.power $(PROVE_OPTIONS)

prove-load: setup-dev ## 100,000 records, 10,000 pictures, faults: is it whole, is memory flat
	@$(BIN)/python -m tests.prove.load $(PROVE_OPTIONS)

prove-dialects: ## the models compile for Redshift and BigQuery, offline
	@$(PYTHON) -m venv $(VENV)-dialects
	@$(VENV)-dialects/bin/python -m pip install --quiet -r requirements.in $(DIALECTS)
	@PYTHONPATH=$(CURDIR) $(VENV)-dialects/bin/python -m pytest -q -m prove tests/unit/test_redshift.py tests/unit/test_bigquery.py
