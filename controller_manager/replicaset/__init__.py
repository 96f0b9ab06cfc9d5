"""The ReplicaSet controller: keeps a number of like pods alive."""
