//! The only file that names concrete rooms.
