"""The storage seam on etcd v3."""

from apiserver.storage.etcd.storage import EtcdStorage as EtcdStorage
from apiserver.storage.etcd.storage import EtcdTls as EtcdTls
