//! Every path of the API, as a template with its parameters in braces, and how a client fills one in.

/// The process lives.
pub const HEALTH: &str = "/healthz";
/// It is ready to be asked.
pub const READY: &str = "/readyz";
/// The OpenAPI document.
pub const OPENAPI: &str = "/openapi.json";
/// What this server is; signed in or not tells.
pub const SERVER: &str = "/v1/server";
/// Tokens for others than the user who runs the server.
pub const TOKENS: &str = "/v1/tokens";
/// One of them.
pub const TOKEN: &str = "/v1/tokens/{token}";
/// Makes a link that signs a browser in once.
pub const SIGN_IN_LINKS: &str = "/v1/sign-in-links";
/// Stays open for as long as somebody needs the server.
pub const SESSION: &str = "/v1/session";
/// Everything that the store holds, as one file.
pub const BACKUP: &str = "/v1/backup";
/// What happened, as it happens.
pub const EVENTS: &str = "/v1/events";

/// What happened, as far as it is kept.
pub const EVENTS_KEPT: &str = "/v1/events/history";

/// The worlds.
pub const WORLDS: &str = "/v1/worlds";
/// One world.
pub const WORLD: &str = "/v1/worlds/{world}";
/// What a world can do, with the kinds that it can make.
pub const CAPABILITIES: &str = "/v1/worlds/{world}/capabilities";
/// What can be required in a world.
pub const SLUGS: &str = "/v1/worlds/{world}/slugs";
/// One slug of a world, with its parameters.
pub const SLUG: &str = "/v1/worlds/{world}/slugs/{slug}";
/// What stacks of a world offer to others.
pub const EXPORTS: &str = "/v1/worlds/{world}/exports";
/// The secrets of a world.
pub const SECRETS: &str = "/v1/worlds/{world}/secrets";
/// One secret of a world.
pub const SECRET: &str = "/v1/worlds/{world}/secrets/{secret}";
/// The repositories.
pub const REPOSITORIES: &str = "/v1/repositories";
/// One repository.
pub const REPOSITORY: &str = "/v1/repositories/{repository}";

/// The stacks of all worlds.
pub const ALL_STACKS: &str = "/v1/stacks";
/// The stacks of a world.
pub const STACKS: &str = "/v1/worlds/{world}/stacks";
/// One stack.
pub const STACK: &str = "/v1/worlds/{world}/stacks/{stack}";
/// Run what a source holds.
pub const RUNS: &str = "/v1/worlds/{world}/runs";
/// Stop a stack.
pub const STOP: &str = "/v1/worlds/{world}/stacks/{stack}/stop";
/// Take a stack away.
pub const DOWN: &str = "/v1/worlds/{world}/stacks/{stack}/down";
/// Change nothing of a stack.
pub const PAUSE: &str = "/v1/worlds/{world}/stacks/{stack}/pause";
/// Go on with a stack.
pub const RESUME: &str = "/v1/worlds/{world}/stacks/{stack}/resume";
/// Try the newest release again.
pub const RETRY: &str = "/v1/worlds/{world}/stacks/{stack}/retry";
/// Return to a release.
pub const ROLLBACK: &str = "/v1/worlds/{world}/stacks/{stack}/rollback";
/// The deployments of a stack.
pub const DEPLOYMENTS: &str = "/v1/worlds/{world}/stacks/{stack}/deployments";
/// One deployment.
pub const DEPLOYMENT: &str = "/v1/worlds/{world}/stacks/{stack}/deployments/{number}";
/// End a deployment.
pub const CANCEL: &str = "/v1/worlds/{world}/stacks/{stack}/deployments/{number}/cancel";
/// Approve the plan of a deployment.
pub const APPROVE: &str = "/v1/worlds/{world}/stacks/{stack}/deployments/{number}/approve";
/// Plans of a world.
pub const PLANS: &str = "/v1/worlds/{world}/plans";
/// A plan that is kept.
pub const PLAN: &str = "/v1/worlds/{world}/stacks/{stack}/plans/{plan}";
/// Give leave for acts of a plan.
pub const CONSENTS: &str = "/v1/worlds/{world}/stacks/{stack}/consents";
/// Take over what is there and is not ours.
pub const ADOPTIONS: &str = "/v1/worlds/{world}/stacks/{stack}/adoptions";
/// The releases of a stack that are kept.
pub const RELEASES: &str = "/v1/worlds/{world}/stacks/{stack}/releases";
/// A release that is kept.
pub const RELEASE: &str = "/v1/worlds/{world}/stacks/{stack}/releases/{release}";
/// What differs between two releases.
pub const DIFF: &str = "/v1/worlds/{world}/stacks/{stack}/diff";
/// Who set a value of a stack.
pub const EXPLAIN: &str = "/v1/worlds/{world}/stacks/{stack}/explain";
/// What the processes of a stack wrote.
pub const LOGS: &str = "/v1/worlds/{world}/stacks/{stack}/logs";

/// Resources of a world that are made of a slug, without a service.
pub const RESOURCES: &str = "/v1/worlds/{world}/resources";
/// One of these.
pub const RESOURCE: &str = "/v1/worlds/{world}/resources/{resource}";

/// Whether files have mistakes.
pub const CHECK: &str = "/v1/check";
/// Who set a value of a service whose files are given.
pub const EXPLAIN_FILES: &str = "/v1/worlds/{world}/explain";
/// Why a service cannot go to a world.
pub const WHY_NOT: &str = "/v1/worlds/{world}/why-not";

/// Fills a template's parameters in, in order, each percent-encoded.
///
/// ```
/// # use deployd::server::api::paths;
/// assert_eq!(paths::fill(paths::STACK, &["laptop", "guestbook"]), "/v1/worlds/laptop/stacks/guestbook");
/// ```
///
/// # Panics
/// When there are more or fewer values than parameters: our bug.
#[must_use]
pub fn fill(template: &str, values: &[&str]) -> String {
    let mut path = String::with_capacity(template.len() + 32);
    let mut values = values.iter();
    for (index, part) in template.split(['{', '}']).enumerate() {
        if index % 2 == 0 {
            path.push_str(part);
        } else {
            let value = values.next().expect("a value for each parameter of the template");
            path.extend(percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC));
        }
    }
    assert!(values.next().is_none(), "a parameter of {template} for each value");
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_and_values_are_encoded() {
        let path = fill(SECRET, &["laptop", "guestbook/users.password"]);
        assert_eq!(path, "/v1/worlds/laptop/secrets/guestbook%2Fusers%2Epassword");
        assert_eq!(fill(HEALTH, &[]), HEALTH);
    }
}
