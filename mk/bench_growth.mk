# make bench-growth    what a build costs beside 10 k and 100 k items: make bench-growth SIZES='10000 1000000 5000000'
# make bench-no-news   a whole run that finds nothing new: make bench-no-news SIZES='10000 1000000'
# make bench-at-size   both, beside millions, in steps that are kept: make bench-at-size AT=/big SIZES='10000 5000000'
# make bench-dbt-nodes what showing dbt's nodes in the scheduler costs
# make bench-load      records a second through each part of Load, beside a row-by-row loader's upsert

.PHONY: bench-growth bench-no-news bench-at-size bench-dbt-nodes bench-load

SIZES ?= 10000 100000
RECORDS ?= 50000
AT ?= var/at-size

bench-growth: setup ## a build's cost beside small and large collections
	@$(BIN)/python -m benchmarks.growth $(SIZES) $(HISTORY)

bench-no-news: setup ## a whole run that finds nothing new
	@$(BIN)/python -m benchmarks.no_news $(SIZES) $(HISTORY)

bench-at-size: setup ## the goals of growth beside millions of items, resumable
	@$(BIN)/python -m benchmarks.at_size $(AT) $(SIZES) $(HISTORY)

bench-dbt-nodes: setup ## a build with and without dbt's nodes in the scheduler
	@$(BIN)/python -m benchmarks.dbt_nodes $(HISTORY)

bench-load: setup ## records a second through Load
	@$(BIN)/python -m benchmarks.load $(RECORDS) $(HISTORY)
