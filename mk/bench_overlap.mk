# make bench-overlap  a long first run with and without rounds beside its crawl
#   make bench-overlap PAGES=450 PER_MINUTE=45 ONLY=rounds   ten minutes at the site's own limit; without ONLY twice

.PHONY: bench-overlap

PAGES ?= 120
PER_MINUTE ?= 450
IMAGE_SECONDS ?= 0.1
ONLY ?=

bench-overlap: setup ## a long first run with and without rounds beside its crawl
	@$(BIN)/python -m benchmarks.overlap $(PAGES) $(PER_MINUTE) $(IMAGE_SECONDS) $(if $(ONLY),--only $(ONLY)) $(HISTORY)
