"""A vendor that fails again and again is only probed, less and less often, until it answers."""

from hub.domain.circuit import FAILURES_MAX, PROBE_SECONDS, PROBE_SECONDS_MAX, Circuit

NOW = 1_000_000.0


def opened() -> Circuit:
    circuit = Circuit()
    said = [circuit.note_failure("it answers 500", NOW, 0.0) for _ in range(FAILURES_MAX)]
    assert said == [*[False] * (FAILURES_MAX - 1), True]
    return circuit


def test_failures_in_a_row_open_it_and_an_answer_in_between_does_not() -> None:
    circuit = Circuit()
    for _ in range(3 * FAILURES_MAX):
        assert not circuit.note_failure("away", NOW, 0.0)
        assert not circuit.note_answer()

    assert (circuit.state, circuit.wait_seconds(NOW)) == ("closed", 0.0)
    assert opened().state == "open"


def test_probes_come_later_and_later() -> None:
    circuit, now, waits = opened(), NOW, []
    for _ in range(len(PROBE_SECONDS) + 2):
        waits.append(circuit.wait_seconds(now))
        now += waits[-1]
        assert circuit.wait_seconds(now) == 0.0
        assert not circuit.note_failure("away", now, 0.0)

    assert waits == [*PROBE_SECONDS, PROBE_SECONDS[-1], PROBE_SECONDS[-1]]


def test_one_probe_at_a_time_and_jitter_makes_it_earlier() -> None:
    circuit = opened()
    circuit.begin(NOW + 1)
    assert circuit.wait_seconds(NOW + 1) == PROBE_SECONDS_MAX
    circuit.put_off(NOW + 3)
    assert circuit.wait_seconds(NOW + 1) == 2.0

    circuit.note_failure("away", NOW, 1.0)

    assert 0 < circuit.wait_seconds(NOW) < PROBE_SECONDS[1]


def test_an_answer_closes_it() -> None:
    circuit = opened()

    assert circuit.note_answer()
    assert (circuit.state, circuit.why, circuit.wait_seconds(NOW)) == ("closed", "", 0.0)
