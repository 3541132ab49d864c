//! The AWS room: what services need of one account and region.
//!
//! What it will manage: RDS databases with their subnet and parameter groups, security groups, load balancers with target
//! groups, listeners and rules, S3 buckets. Names are functions of the identity; receipts are tags, given at create.
//!
//! What it cannot do: anything yet but say how its kinds behave, so that `check`, `explain` and `why-not` work for
//! worlds that have it.

pub mod rules;
