"""The StatefulSet controller: pods that each keep a name, an order and storage."""
