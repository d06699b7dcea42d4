"""Training: the stages, each a run that can be killed and resumed."""
