"""What is known about datasets: data, no code. Installed as ``blurkit.data_manifests`` and read through importlib.resources."""
