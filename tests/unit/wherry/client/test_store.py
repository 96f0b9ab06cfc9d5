"""The informer's store against a plain dict."""

from hypothesis import given
from hypothesis import strategies as st

from wherry.api.core_v1 import Pod
from wherry.api.meta_v1 import ObjectMeta
from wherry.client.store import Store, key_of, split_key

PODS = st.builds(
    lambda ns, name, rv, labels: Pod(
        metadata=ObjectMeta(
            namespace=ns, name=name, resource_version=str(rv), labels={"app": labels}
        )
    ),
    st.sampled_from(["", "n", "m"]),
    st.sampled_from("abc"),
    st.integers(1, 3),
    st.sampled_from("xy"),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), PODS),
        st.tuples(st.just("remove"), PODS),
        st.tuples(st.just("replace"), st.lists(PODS, max_size=4)),
    ),
    max_size=30,
)


def app(pod):
    return [pod.metadata.labels["app"]]


@given(STEPS)
def test_store_is_a_dict_with_views(steps):
    store, model = Store({"app": app}), {}
    for step, what in steps:
        if step == "put":
            assert store.put(what) == model.get(key_of(what))
            model[key_of(what)] = what
        elif step == "remove":
            assert store.remove(key_of(what)) == model.pop(key_of(what), None)
        else:
            fresh = {key_of(pod): pod for pod in what}
            changes = store.replace(what)
            gone = [before for before, after in changes if after is None]
            assert {key_of(pod) for pod in gone} == set(model) - set(fresh)
            for before, after in changes:
                assert before is None or before == model[key_of(before)]
                assert after is None or after == fresh[key_of(after)]
            model = fresh
        assert {key_of(p): p for p in store.list()} == model
        assert len(store) == len(model)
        for namespace in ("n", "m"):
            expected = {k for k, p in model.items() if p.metadata.namespace == namespace}
            assert {key_of(p) for p in store.list(namespace)} == expected
        for value in "xy":
            expected = {k for k, p in model.items() if app(p) == [value]}
            assert {key_of(p) for p in store.by_index("app", value)} == expected


def test_keys():
    assert split_key("n/a") == ("n", "a")
    assert split_key("a") == ("", "a")
