//! A tree of values with the place of each: how every file that a person wrote is first read.
