"""Archives over the network: downloads that resume, and zip files that are unpacked without trust."""
