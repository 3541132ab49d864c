//! How much of a foreign file is read before it is refused (T11).

/// Limits of one file. They are counted on parser events, so a breach is found while reading and not after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Bytes of the file. A megabyte is a thousand services in one file.
    pub bytes_max: usize,
    /// Values and keys of all its documents, those that aliases repeat included. With places a value takes about a
    /// hundred bytes: this holds a file to some 10 MiB of memory.
    pub nodes_max: usize,
    /// Lists and maps inside each other. People need six.
    pub depth_max: usize,
    /// Values that aliases and `<<` repeat, of all documents. A bomb needs millions, people need dozens.
    pub repeated_max: usize,
    /// Documents in one file.
    pub documents_max: usize,
    /// Mistakes that are told; whoever made more has one mistake, made often.
    pub mistakes_max: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            bytes_max: 1 << 20,
            nodes_max: 100_000,
            depth_max: 64,
            repeated_max: 10_000,
            documents_max: 1_000,
            mistakes_max: 100,
        }
    }
}
