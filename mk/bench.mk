# make bench             the transfer beside its peers, on this machine: docs/performance.md and benchmarks/history/
# make bench-memory      ours at 1,000 and at 20,000 small pictures: peak RSS of both
# make bench-decoding    the decoders
# make bench-derivatives thumbnails and facts, beside Pillow used naively
# make bench-start       `--help` of every command
# make bench-gallery     frames of the gallery at 10,000 pictures; needs Chromium
# make bench-gallery-export what writing it costs: make bench-gallery-export PICTURES='10000 100000'
# make bench-duplicates  precision and recall: make bench-duplicates IMAGES=DIR
#
# Each keeps what it measured in benchmarks/history/ and prints what changed: HISTORY=--no-history keeps nothing,
# HISTORY=--fail-on-regression makes that an exit code.

HISTORY ?=
BENCH ?= --rounds 3 --networks loopback 60ms --page docs/performance.md

.PHONY: bench bench-memory bench-decoding bench-derivatives bench-start bench-gallery bench-duplicates

bench: setup-dev ## the transfer beside rclone, curl and others: make bench BENCH='--images DIR --fail-on-regression'
	@$(BIN)/python -m benchmarks.transfer $(BENCH) $(HISTORY)

bench-memory: setup-dev ## peak memory at 1,000 and 20,000 pictures
	@$(BIN)/python -m benchmarks.memory $(HISTORY)

bench-decoding: setup-dev ## full decodes: on all cores beside the decoder's own speed, and other decoders
	@$(BIN)/python -m benchmarks.decoding $(HISTORY)

bench-derivatives: setup-dev ## thumbnails and facts a CPU second
	@$(BIN)/python -m benchmarks.derivatives $(HISTORY)

bench-start: setup-dev ## --help of every command over the bare interpreter
	@$(BIN)/python -m benchmarks.start $(HISTORY)

bench-gallery: setup-dev ## frames of the gallery at 10,000 pictures
	@$(BIN)/python -m benchmarks.gallery $(HISTORY)

.PHONY: bench-gallery-export
bench-gallery-export: setup ## what the gallery costs a run beside collections of these sizes
	@$(BIN)/python -m benchmarks.gallery_export $(PICTURES) $(HISTORY)

bench-duplicates: setup-dev ## precision and recall on labelled pictures: IMAGES=DIR
	@$(BIN)/python -m benchmarks.duplicates --images $(IMAGES) $(HISTORY)
