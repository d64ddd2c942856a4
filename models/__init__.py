"""The zoo: one label model per file, each with its source and its simulation test."""
