# make bench-growth  what a run costs beside 10 k and 100 k items: make bench-growth SIZES='10000 1000000 5000000'
# make bench-load    records a second through each part of Load, beside a row-by-row loader's upsert

.PHONY: bench-growth bench-load

SIZES ?= 10000 100000
RECORDS ?= 50000

bench-growth: setup ## a run's cost beside small and large collections
	@$(BIN)/python -m benchmarks.growth $(SIZES)

bench-load: setup ## records a second through Load
	@$(BIN)/python -m benchmarks.load $(RECORDS)
