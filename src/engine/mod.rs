//! Gathers, plans, acts and records: one activation for each stack that was nudged.
