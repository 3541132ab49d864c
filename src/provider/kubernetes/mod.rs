//! The Kubernetes room: services as Deployments, and any object by a template.
//!
//! What it will manage: Deployments, Services, Ingresses, Jobs and CronJobs, claims, Secrets and ConfigMaps of one
//! namespace, by server-side apply. An object is known by its name, which is a function of the identity; its receipt is
//! in its labels, applied with it.
//!
//! What it cannot do: anything yet but say how its kinds behave, so that `check`, `explain` and `why-not` work for
//! worlds that have it. Templates of `kubernetes/manifests` are not rendered yet.

pub mod rules;
