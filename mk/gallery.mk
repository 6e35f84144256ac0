# make screenshots  the pictures of the documents, from the demo; needs Chromium

.PHONY: screenshots

screenshots: setup-dev ## the pictures of the documents anew, from the demo; needs Chromium
	@$(BIN)/python docs/screenshots.py
