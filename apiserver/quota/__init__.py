"""What objects use of their namespace's quotas, and who keeps the count.

`usage`, `scopes` and `account` decide; `ledger` writes. The admission plug-in `ResourceQuota` switches
all of it on.
"""
