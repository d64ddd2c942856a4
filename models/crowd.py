"""Votes of a crowd, large or small: what is true, with probabilities that are calibrated on real crowds.

Raters shrink to the crowd and the classes of one rater to the rater, so that a rater with a few votes, or a rare class, is
not believed too early. The votes on one item count for less than independent ones, by Kish's design effect, whose rho is
learned from how well the other votes predict each vote; the column `likeliest` of labels.parquet is the class when every
vote counts in full. What all raters misread alike, votes cannot tell. `dawid_skene` is the plain model of 1979.

Source: Dawid and Skene 1979 (Applied Statistics 28), hierarchical after Paun et al. 2018 (TACL 6); Kish 1965.
"""

from labelppl import Label
from labelppl.families import nested_dawid_skene
from labelppl.features import Votes

crowd = nested_dawid_skene(truth=Label(), votes=Votes())
