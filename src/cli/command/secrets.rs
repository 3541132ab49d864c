//! The secrets of a world: set, listed and removed, never read back.

use crate::cli::arguments::{Common, Secret};
use crate::cli::ask_person;
use crate::cli::asking::Asking;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folders::Near;
use crate::cli::out::Out;
use crate::cli::screen::lists;
use crate::model::Name;
use crate::server::api::paths;
use crate::server::api::secret::{SecretValue, Secrets, SetSecret};
use jiff::tz::TimeZone;
use reqwest::Method;

/// `deployd secret`.
pub(in crate::cli) async fn secret(common: &Common, asked: &Secret, out: &Out) -> Result<Exit, Failure> {
    match asked {
        Secret::Set { name } => set(common, name, out).await,
        Secret::List { of } => list(common, of.as_ref(), out).await,
        Secret::Remove { name } => remove(common, name, out).await,
    }
}

/// `WORLD NAME`, or `NAME` of the world that is named otherwise.
fn of(common: &Common, words: &[String], asking: &Asking) -> Result<(Name, String), Failure> {
    match words {
        [world, name] => {
            let world = Name::new(world).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
            match &common.world {
                Some(other) if *other != world => {
                    Err(Failure::new(Exit::Usage, format!("two worlds are named: {other} and {world}")))
                }
                _ => Ok((world, name.clone())),
            }
        }
        [name] => Ok((asking.world(), name.clone())),
        _ => Err(Failure::new(Exit::Usage, "name a world and a secret")),
    }
}

async fn set(common: &Common, words: &[String], out: &Out) -> Result<Exit, Failure> {
    // The value first: who does not have it at hand has started nothing.
    let name = words.last().map_or("", String::as_str);
    let value = ask_person::secret(&format!("value of {name}"))?;
    let asking = Asking::new(common, out, &Near::Nothing).await?;
    let (world, name) = of(common, words, &asking)?;
    let body = SetSecret { value: SecretValue::new(value.to_string()) };
    let path = paths::fill(paths::SECRET, &[&world, &name]);
    let set: crate::server::api::secret::SecretSet = asking.client().put(&path, &body).await?;
    match out.is_json() {
        true => out.object("secret", Some(&world), &set)?,
        false => out.talk(&format!("{} of world {world} is set\n", set.name)),
    }
    Ok(Exit::Done)
}

async fn list(common: &Common, world: Option<&Name>, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::Nothing).await?;
    if let (Some(named), Some(other)) = (world, &common.world)
        && named != other
    {
        return Err(Failure::new(Exit::Usage, format!("two worlds are named: {other} and {named}")));
    }
    let world = world.cloned().unwrap_or_else(|| asking.world());
    let secrets: Secrets = asking.client().all(&paths::fill(paths::SECRETS, &[&world])).await?;
    match out.is_json() {
        true => out.object("secrets", Some(&world), &secrets)?,
        false => out.data(&lists::secrets(&world, &secrets.secrets, &TimeZone::system(), out.look()))?,
    }
    Ok(Exit::Done)
}

async fn remove(common: &Common, words: &[String], out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::Nothing).await?;
    let (world, name) = of(common, words, &asking)?;
    let all: Secrets = asking.client().all(&paths::fill(paths::SECRETS, &[&world])).await?;
    let used_by = all.secrets.into_iter().find(|secret| secret.name == name).map(|secret| secret.used_by);
    let used_by: Vec<String> = used_by.into_iter().flatten().map(|stack| stack.to_string()).collect();
    let nothing: Option<&()> = None;
    asking.client().tell(Method::DELETE, &paths::fill(paths::SECRET, &[&world, &name]), nothing).await?;
    match out.is_json() {
        true => out.object("secret-removed", Some(&world), &serde_json::json!({ "name": name, "used_by": used_by }))?,
        false => out.talk(&lists::secret_removed(&world, &name, &used_by, out.talk_look())),
    }
    Ok(Exit::Done)
}
