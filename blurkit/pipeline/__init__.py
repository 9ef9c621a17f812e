"""Makes a finished dataset from a choice of photographs: plan, tasks, workers and seal. Also makes stored samples again."""
