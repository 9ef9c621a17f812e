"""Trains networks that restore the photographs that blurkit blurred."""
