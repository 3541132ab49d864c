//! What is recorded: stacks, releases, deployments, and what we own.
