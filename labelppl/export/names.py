"""The names of an exported graph's inputs and outputs, and of its notes."""

PIXELS, PREVALENCE = "pixels", "prevalence"
PROBS, STUDY = "probs", "study_probs"
MEAN, LOW, HIGH, EPISTEMIC = "laplace", "low", "high", "epistemic"
NOTES = "labelppl"
NOTES_FORMAT = 1
