"""From a choice of photographs to a finished dataset: plan, tasks, workers, seal, and samples made again."""
