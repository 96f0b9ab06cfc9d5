"""The CronJob controller: starts Jobs when it is time."""
