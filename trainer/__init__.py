"""trainer: learns to restore the photographs that blurkit blurred."""
