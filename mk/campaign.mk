# make prove-kills  at least 300 processes killed, stopped or failed at crash points, and everything still true
# make prove-lines  a kill at every line that nine scopes execute; takes hours: STRIDE=50 takes every fiftieth
# SEED, KILLS and FAULT repeat or widen it: make prove-kills KILLS=1000 SEED=7

SEED ?= 20261121
KILLS ?= 300
STRIDE ?= 1
FAULT ?=

.PHONY: prove-kills prove-lines

prove-kills: setup-dev ## the kill campaign: SEED, KILLS, FAULT='publish.put.after:2:kill'
	@$(BIN)/python -m tests.prove.campaign --seed $(SEED) --kills $(KILLS) $(if $(FAULT),--fault $(FAULT))

prove-lines: setup-dev ## a kill at every STRIDE-th executed line of nine scopes
	@$(BIN)/python -m tests.prove.campaign --sweep lines --stride $(STRIDE) --seed $(SEED)
