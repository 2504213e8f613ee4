"""What a relay has shown of itself, kept over connections so that each lesson costs once."""

from dataclasses import dataclass


@dataclass(slots=True)
class RelayHabits:
    """The peculiarities of one relay, as seen so far.

    `one_subscription`: a second subscription of a connection is refused or ignored. `no_eose`: the end
    of the stored events isn't told. `slow`: the end of the stored events was told, but late.
    `closes_first`: a subscription's name can be used again only after CLOSE. `deaf`: stored messages are
    found that the relay didn't pass on. `large_frames`: the relay holds an event above the usual limit of a
    frame. `pow_bits`: the proof of work that the relay asks for (NIP-13). `dates_now`: the relay refuses
    events that are dated back.
    """

    one_subscription: bool = False
    no_eose: bool = False
    slow: bool = False
    closes_first: bool = False
    deaf: bool = False
    large_frames: bool = False
    pow_bits: int = 0
    dates_now: bool = False
