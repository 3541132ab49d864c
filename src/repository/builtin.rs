//! The repository that is in the binary.

/// Files that stand in for `repositories/builtin` where there is no folder of that name: path in the folder, how people
/// know it, and bytes.
#[must_use]
pub fn embedded() -> Vec<(&'static str, &'static str, &'static [u8])> {
    macro_rules! file {
        ($path:literal) => {
            (
                $path,
                concat!("repositories/builtin/", $path),
                include_bytes!(concat!("../../repositories/builtin/", $path)).as_slice(),
            )
        };
    }
    vec![file!("deploy.yaml"), file!("postgres.yaml"), file!("redis.yaml"), file!("secret.yaml"), file!("volume.yaml")]
}
