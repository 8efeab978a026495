"""What a new adapter still lacks before its promises can be looked at; a sentence each, for whoever writes it."""

from collections.abc import Sequence

from adapters.contract import Account, Adapter, Delivery, Signing
from adapters.kit.recordings import SECRETS, Recording

# How `about` of a recording begins that is only an example of one.
TODO = "TODO"
_ACCOUNT = Account("first-steps", secrets=SECRETS, url="https://hub.example/v1/webhooks/first-steps")


def still_to_do(adapter: Adapter, recordings: Sequence[Recording]) -> list[str]:
    """What to do next, in this order; nothing where the promises can be looked at."""
    steps = []
    if not adapter.documentation.startswith("https://"):
        steps.append("Give `documentation` the address where the vendor tells of its webhooks; all else follows it.")
    steps += _still_to_sign(adapter)
    return steps + still_to_record(adapter, recordings)


def still_to_record(adapter: Adapter, recordings: Sequence[Recording]) -> list[str]:
    """The same of its topics and recordings alone."""
    steps = []
    if not adapter.topics:
        steps.append("Name in `TOPICS` every topic of the vendor that says something about stock, and what reads it.")
    examples = [each.name for each in recordings if each.about.startswith(TODO)]
    if examples:
        steps.append(
            f"Put deliveries of the vendor in the place of {', '.join(examples)}, which is an example: one of each "
            f"topic, with an `about` that says what happened and does not begin with {TODO}."
        )
    elif not recordings:
        steps.append("Record deliveries of the vendor, a JSON file each: one of each topic, and one of another topic.")
    return steps


def _still_to_sign(adapter: Adapter) -> list[str]:
    if not isinstance(adapter, Signing):
        return ["Write `signs_time` and `sign`: how the vendor signs, so that a delivery can be made for trials."]
    try:
        adapter.sign(Delivery(b"{}"), _ACCOUNT)
    except NotImplementedError as error:
        return [f"Write how the vendor signs, in `sign` and `verify`: {error}."]
    except Exception:
        # A delivery that says nothing need not be one that can be signed; the recordings are.
        pass
    return []
