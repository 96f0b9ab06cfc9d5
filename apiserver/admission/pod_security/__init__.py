"""PodSecurity: what pods of a namespace may do, by the level its labels name.

`levels` reads labels, `baseline` and `restricted` are the checks, `standards` says which of them hold in
which version, `plugin` asks them about what is written, `existing` about pods that are there already.

Source: k8s.io/pod-security-admission.
"""
