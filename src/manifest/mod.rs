//! A developer's `deployd.yaml`, read.
