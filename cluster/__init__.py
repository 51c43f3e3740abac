"""Where a job runs: connecting to Ray, and how its processors are shared among the stages. Holds no pipeline."""
