"""Where a model comes from: the hub, a folder, a GGUF file, or the embedded one."""
