# make bench          the transfer beside its peers, on this machine: docs/performance.md and benchmarks/history/
# make bench-memory   ours at 1,000 and at 20,000 small pictures: peak RSS of both
# make bench-decoding the decoders

BENCH ?= --rounds 3 --networks loopback 60ms --page docs/performance.md
SMALL := --small --rounds 1 --only draenei-collector

.PHONY: bench bench-memory bench-decoding

bench: setup-dev ## the transfer beside rclone, curl and others: make bench BENCH='--images DIR --rounds 5'
	@$(BIN)/python -m benchmarks.transfer $(BENCH)

bench-memory: setup-dev ## peak memory at 1,000 and 20,000 pictures
	@$(BIN)/python -m benchmarks.transfer $(SMALL) --pictures 1000
	@$(BIN)/python -m benchmarks.transfer $(SMALL) --pictures 20000

bench-decoding: setup-dev ## what a decoder process costs
	@$(BIN)/python -m benchmarks.decoding
