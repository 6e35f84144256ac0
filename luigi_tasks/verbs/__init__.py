"""The helper verbs, `python -m luigi_tasks VERB`: a module each, imported only when it is called."""
