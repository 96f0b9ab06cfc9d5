"""The PersistentVolume binder: claims get volumes, found or made; volumes outlive them as they say."""
