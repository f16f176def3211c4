"""Who runs the shards: a local process pool and the content-addressed shard store."""
