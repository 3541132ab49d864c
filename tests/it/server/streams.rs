//! Events and logs, as they are streamed.
