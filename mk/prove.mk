# make prove        every guarantee by its proofs, eight to ten minutes on 4 cores; writes docs/guarantees.md
# make prove-deep   the same proofs with more stages, stores, sources, seeds and whole commands
# make prove-power  plants bugs, a patch each, and expects the tests to fail; says in docs/guarantees.md how many did
# make prove-load   100,000 records and 10,000 pictures, one request in twenty faulted; says there what it came to

.PHONY: prove prove-deep prove-power prove-load

prove: setup-dev ## every guarantee by its proofs: eight to ten minutes on 4 cores, writes docs/guarantees.md
	@$(BIN)/python -m tests.prove --write $(PROVE_OPTIONS)

prove-deep: setup-dev ## the same proofs with more stages, stores, sources and seeds
	@$(BIN)/python -m pytest -q -m "prove(deep=True)" tests

prove-power: setup-dev ## plants known bugs and expects the tests to notice
	@$(BIN)/python -m tests.prove.power --write $(PROVE_OPTIONS)

prove-load: setup-dev ## 100,000 records, 10,000 pictures, faults: is it whole, is memory flat
	@$(BIN)/python -m tests.prove.load --write $(PROVE_OPTIONS)
