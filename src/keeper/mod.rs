//! The tiny parent of one local process, which outlives the server.
