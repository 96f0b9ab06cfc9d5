"""The HorizontalPodAutoscaler controller: as many pods as the load asks for."""
