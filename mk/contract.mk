# make contract ENDPOINT=http://127.0.0.1:8333   the promises of an object store, held against a real S3 server
# AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are those of the server; buckets of its own are made and removed

.PHONY: contract

contract: setup-dev ## holds the contract suite against your S3 server: make contract ENDPOINT=http://127.0.0.1:8333
	@test -n "$(ENDPOINT)" || { echo "which server? make contract ENDPOINT=http://127.0.0.1:8333"; exit 2; }
	@AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-us-east-1} DRAENEI_CONTRACT_S3=$(ENDPOINT) \
		$(BIN)/python -m pytest tests/contracts -k given $(PYTEST_OPTIONS)
