# make bench          the transfer beside its peers, on this machine: docs/performance.md and benchmarks/history/
# make bench-decoding the decoders

BENCH ?= --rounds 3 --networks loopback 60ms --page docs/performance.md

.PHONY: bench bench-decoding

bench: setup-dev ## the transfer beside rclone, curl and others: make bench BENCH='--images DIR --rounds 5'
	@$(BIN)/python -m benchmarks.transfer $(BENCH)

bench-decoding: setup-dev ## what a decoder process costs
	@$(BIN)/python -m benchmarks.decoding
