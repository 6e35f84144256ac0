# make prove-kills  at least 300 processes killed, stopped or failed at crash points, and everything still true
# SEED, KILLS and FAULT repeat or widen it: make prove-kills KILLS=1000 SEED=7

SEED ?= 20261121
KILLS ?= 300
FAULT ?=

.PHONY: prove-kills

prove-kills: setup-dev ## the kill campaign: SEED, KILLS, FAULT='publish.put.after:2:kill'
	@$(BIN)/python -m tests.prove.campaign --seed $(SEED) --kills $(KILLS) $(if $(FAULT),--fault $(FAULT))
