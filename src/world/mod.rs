//! A world's file, read.
