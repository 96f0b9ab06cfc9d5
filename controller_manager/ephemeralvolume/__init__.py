"""The ephemeral-volume controller: claims for the volumes that live as long as their pod."""
