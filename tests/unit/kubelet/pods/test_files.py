"""Files of ours that containers see."""

from kubelet.pods.files import TERMINATION_MESSAGE_BYTES_MAX, termination_message


def test_the_end_of_a_termination_message_counts(tmp_path):
    log = tmp_path / "log"
    log.write_text("first" + "x" * TERMINATION_MESSAGE_BYTES_MAX + "last")
    found = termination_message(str(log))
    assert (len(found), found[-5:]) == (TERMINATION_MESSAGE_BYTES_MAX, "xlast")
    log.write_text("short")
    assert termination_message(str(log)) == "short"
    assert termination_message(str(tmp_path / "none")) == ""
