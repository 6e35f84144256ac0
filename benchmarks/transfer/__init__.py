"""The transfer benchmark: this pipeline beside the tools that people use for the same work, on one machine."""
