//! The process that stands before every local service, and outlives the server.
