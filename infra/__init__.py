"""Settings, the lake, the one write function and how the system is deployed. Imports nothing of ours."""
