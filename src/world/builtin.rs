//! The world that is in the binary.

/// Files that stand in for `worlds/` where there is no file of that name: path and bytes.
#[must_use]
pub fn embedded() -> [(&'static str, &'static [u8]); 1] {
    [("worlds/laptop.yaml", include_bytes!("laptop.yaml"))]
}
