"""The words of the pipeline: frozen dataclasses and the exception tree; the standard library only."""
