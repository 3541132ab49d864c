//! Tokens for others than the user who runs the server: issued, listed and revoked. What one is, is shown once.

use crate::cli::arguments::{Common, IssueToken, Token};
use crate::cli::asking::Asking;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folders::Near;
use crate::cli::out::Out;
use crate::cli::screen::tokens as screens;
use crate::model::Name;
use crate::server::api::paths;
use crate::server::api::token::{IssuedToken, NewToken, Tokens};
use jiff::tz::TimeZone;
use reqwest::Method;

/// `deployd token`.
pub(in crate::cli) async fn token(common: &Common, asked: &Token, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::Nothing).await?;
    match asked {
        Token::Issue(asked) => issue(&asking, asked).await,
        Token::List => list(&asking).await,
        Token::Revoke { name } => revoke(&asking, name).await,
    }
}

async fn issue(asking: &Asking, asked: &IssueToken) -> Result<Exit, Failure> {
    let out = &asking.out;
    // Who names a world as every other command takes it means that one too: never more than was said.
    let named = asked.worlds.iter().chain(&asking.common.world).cloned();
    let worlds = Some(named.collect()).filter(|worlds: &std::collections::BTreeSet<Name>| !worlds.is_empty());
    let scopes = asked.scopes.iter().map(|scope| scope.0).collect();
    let body = NewToken { name: asked.name.clone(), scopes, worlds, days: asked.days };
    let issued: IssuedToken = asking.client().post(paths::TOKENS, &body).await?;
    if out.is_json() {
        out.object("token", None, &issued)?;
        return Ok(Exit::Done);
    }
    // The token alone is data, so that it can be put where it is needed.
    out.data(&format!("{}\n", issued.token))?;
    out.talk(&screens::issued(&issued.about, &TimeZone::system(), out.talk_look()));
    Ok(Exit::Done)
}

async fn list(asking: &Asking) -> Result<Exit, Failure> {
    let (out, tokens) = (&asking.out, asking.client().all::<Tokens>(paths::TOKENS).await?);
    match out.is_json() {
        true => out.object("tokens", None, &tokens)?,
        false => out.data(&screens::list(&tokens.tokens, &TimeZone::system(), out.look()))?,
    }
    Ok(Exit::Done)
}

async fn revoke(asking: &Asking, name: &Name) -> Result<Exit, Failure> {
    let (out, nothing) = (&asking.out, None::<&()>);
    asking.client().tell(Method::DELETE, &paths::fill(paths::TOKEN, &[name]), nothing).await?;
    match out.is_json() {
        true => out.object("token-revoked", None, &serde_json::json!({ "name": name }))?,
        false => out.talk(&format!("{name} is revoked: nobody is let in by it any more\n")),
    }
    Ok(Exit::Done)
}
