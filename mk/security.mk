# make sbom   what is installed, as CycloneDX, from the hash-pinned requirements, and what stands in the repository itself
# make audit  known vulnerabilities of the pinned packages: asks the vulnerability service of the Python package index

.PHONY: sbom audit

sbom: $(VENV)/.tools ## what the pipeline consists of, as CycloneDX: var/sbom.json
	@mkdir -p var
	@$(VENV)/tools/bin/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --of JSON --output-reproducible -o var/sbom.json
	@$(BIN)/python deploy/add_vendored.py var/sbom.json
	@echo "var/sbom.json: $$(grep -c '"bom-ref"' var/sbom.json) components"

audit: $(VENV)/.tools ## known vulnerabilities of what is pinned; needs the network
	@$(VENV)/tools/bin/pip-audit --require-hashes --disable-pip --progress-spinner off -r requirements.txt

# An environment of their own: what they need must not decide what the pipeline runs with.
$(VENV)/.tools: $(VENV)/.created requirements-tools.txt
	@echo "installing requirements-tools.txt (hashes checked)"
	@$(BIN)/python -m venv $(VENV)/tools
	@$(VENV)/tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-tools.txt
	@touch $@
