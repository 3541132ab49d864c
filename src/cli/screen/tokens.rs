//! Tokens of others: what each may do, where, and until when. Never what one is.

use super::names::day_and_time;
use super::page::{Page, Text, Tone};
use super::table::Table;
use crate::diagnostic::Look;
use crate::model::Name;
use crate::server::api::token::Token;
use jiff::tz::TimeZone;

/// What a token that was just issued gives.
#[must_use]
pub fn issued(token: &Token, zone: &TimeZone, look: Look) -> String {
    let mut page = Page::new(look);
    let what = format!("{} may {} in {}", token.name, may(token), worlds(token));
    let until = format!("until {} · it is shown this once", day_and_time(token.expires, zone));
    page.folded(0, &Text::plain(format!("{what}, {until}")));
    page.text()
}

/// The tokens that are good.
#[must_use]
pub fn list(tokens: &[Token], zone: &TimeZone, look: Look) -> String {
    let mut page = Page::new(look);
    if tokens.is_empty() {
        page.line(0, &[Text::plain("no tokens are out but your own")]);
        let command = Text::new(Tone::Accent, "deployd token issue NAME --scope deploy");
        page.line(2, &[Text::plain("issue one: "), command]);
        return page.text();
    }
    let mut table = Table::new();
    let heads = ["TOKEN", "MAY", "WORLDS", "UNTIL", "BY"];
    table.row(heads.iter().map(|head| Text::new(Tone::Quiet, head)).collect());
    for token in tokens {
        table.row(vec![
            Text::new(Tone::Strong, token.name.as_str()),
            Text::plain(may(token)),
            Text::plain(worlds(token)),
            Text::plain(day_and_time(token.expires, zone)),
            Text::new(Tone::Quiet, &token.by),
        ]);
    }
    table.put(&mut page, 0);
    page.text()
}

fn may(token: &Token) -> String {
    token.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn worlds(token: &Token) -> String {
    match &token.worlds {
        None => "all worlds".to_owned(),
        Some(worlds) => worlds.iter().map(Name::as_str).collect::<Vec<_>>().join(", "),
    }
}
