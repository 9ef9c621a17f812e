"""What is known of a pair beside its pixels: plain records of arrays, which nothing here computes."""
