//! Every requirement to its definition, fields and the origin of each.
