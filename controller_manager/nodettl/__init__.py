"""How long kubelets may keep Secrets and ConfigMaps without asking again, written on Nodes."""
