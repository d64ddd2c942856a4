"""Log-odds as a radiologist reads them: "alpha 49° speaks for dysplastic, 12 : 1"."""

from __future__ import annotations

import math

#: Odds of one and a quarter to one, and less, say nothing that a reader should act on.
SAYS_LITTLE = math.log(1.25)
#: Odds above this are printed as such: no reader weighs 10^7 against 10^8.
MOST_ODDS = 10_000.0


def odds_in_words(log_odds: float) -> str:
    """``12 : 1`` from log-odds, whatever their sign.

    Args:
        log_odds: In nats.

    Returns:
        The larger odds to 1, with two digits below ten.

    Examples:
        >>> odds_in_words(2.5)
        '12 : 1'
        >>> odds_in_words(-0.4)
        '1.5 : 1'
    """
    odds = math.exp(min(abs(log_odds), 50.0))
    if odds > MOST_ODDS:
        return "more than 10,000 : 1"
    if odds >= 10:
        return f"{odds:,.0f} : 1"
    return f"{odds:.1f}".removesuffix(".0") + " : 1"


def term_in_words(
    term: str, kind: str, cell: str, log_odds: float, label: str, against: str
) -> str:
    """One term of an explanation as a sentence.

    Args:
        term: Its name.
        kind: prevalence, measurement, input, rater or averaging.
        cell: What was measured or said.
        log_odds: For ``label`` where positive, in nats.
        label: The more probable class.
        against: The runner-up.

    Returns:
        The sentence, without a full stop.

    Examples:
        >>> term_in_words("alpha", "measurement", "49°", 2.5, "dysplastic", "normal")
        'alpha 49° speaks for dysplastic, 12 : 1'
    """
    if kind == "averaging":
        return f"averaging over what is not known of the label model: {log_odds:+.2f} nats"
    subject = {
        "prevalence": "the prevalence",
        "rater": f"{term}, who said {cell},",
        "input": f"{term} {cell}, compared with the mean case,",
    }.get(kind, f"{term} {cell}")
    if abs(log_odds) < SAYS_LITTLE:
        return f"{subject} says little either way"
    return f"{subject} speaks for {label if log_odds > 0 else against}, {odds_in_words(log_odds)}"
